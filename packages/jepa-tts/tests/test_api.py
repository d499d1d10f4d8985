"""The names that users build on, and what importing them costs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import jepa_tts

SOURCE = Path(jepa_tts.__file__).parent
TRAIN_FIELDS = """
stage cache out start size lexicon vocoder layers steps batch learning_rate final_rate warm_up
weight_decay clip kl spectral history_noise history_drop feedback adversarial amp seed threads
log_every save_every validate_every media_every
"""
JEPA_FIELDS = """
mel width heads feed_forward text_layers encoder_layers predictor_layers latent decoder_channels
decoder_blocks phonemes speakers dropout
"""


def test_public_names() -> None:
    assert sorted(jepa_tts.__all__) == [
        "JepaConfig",
        "JepaModel",
        "JepaTTS",
        "TrainConfig",
        "Vocoder",
        "Voice",
    ]
    for name in jepa_tts.__all__:
        assert inspect.isclass(getattr(jepa_tts, name)), name
        assert name in dir(jepa_tts)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Jepa'; it has JepaConfig, "):
        _ = jepa_tts.Jepa


def test_settings_keep_their_names() -> None:
    """A recipe or config.json of this version must load in every later one."""
    assert set(TRAIN_FIELDS.split()) <= {f.name for f in fields(jepa_tts.TrainConfig)}
    assert set(JEPA_FIELDS.split()) <= {f.name for f in fields(jepa_tts.JepaConfig)}


def test_weights_keep_their_names(model: jepa_tts.JepaModel) -> None:
    """What a checkpoint of this version holds must load in every later one."""
    parts = {re.sub(r"\.\d+\.", ".N.", name) for name in model.state_dict()}
    assert {name.split(".")[0] for name in parts} == {
        "audio_encoder",
        "durations",
        "mel_decoder",
        "predictor",
        "text_encoder",
        "voices",
    }
    for name in (
        "text_encoder.phoneme_head.weight",
        "audio_encoder.projection.weight",
        "predictor.cross_attention.N.strength",
        "predictor.start",
        "mel_decoder.refine.weight",
        "voices.table.weight",
        "durations.out.bias",
    ):
        assert name in parts


def test_importing_the_package_does_not_load_torch() -> None:
    code = "import sys, jepa_tts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_text_and_config_need_no_trained_extra() -> None:
    """Speaking must work without what training alone needs."""
    code = (
        "import sys\n"
        "for name in ('vocos', 'torchaudio', 'tensorboard', 'swift_f0', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "import jepa_tts.model, jepa_tts.vocoder, jepa_tts.train, jepa_tts.preprocess\n"
        "import jepa_tts.stages.vocode, jepa_tts.stages.decode, jepa_tts.stages.pronounce\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_training_without_its_extra_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voice_data.run_log import RunLog

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install 'jepa-tts\[train\]'"):
        RunLog(tmp_path, 0, extra="jepa-tts[train]")


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: p.stem)
def test_every_file_is_short_and_says_what_it_is(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith('"""')
    assert len(text.splitlines()) <= 300
