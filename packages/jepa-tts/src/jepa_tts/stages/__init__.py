"""The stages of training, in the order in which a model goes through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from jepa_tts.stages.stage import Stage
    from jepa_tts.train import TrainConfig

StageName = Literal["pronounce", "autoencode", "predict", "decode", "vocode", "shrink"]


def make_stage(config: TrainConfig) -> Stage:
    """The stage that ``config.stage`` names."""
    from jepa_tts.stages.autoencode import Autoencode
    from jepa_tts.stages.decode import Decode
    from jepa_tts.stages.predict import Predict
    from jepa_tts.stages.pronounce import Pronounce
    from jepa_tts.stages.shrink import Shrink
    from jepa_tts.stages.vocode import Vocode

    stages = {
        "pronounce": Pronounce,
        "autoencode": Autoencode,
        "predict": Predict,
        "decode": Decode,
        "vocode": Vocode,
        "shrink": Shrink,
    }
    return stages[config.stage](config)
