"""Validating a folder from beginning to end: load, judge, write the report, record the choice."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.selection import SelectionError

if TYPE_CHECKING:
    from tts_lora.validate import ValidateConfig
    from tts_lora.validation import Validation
    from voice_data.score.recognition import Transcriber
    from voice_data.speech import SpeechModel


class AssessmentError(ValueError):
    """A folder that cannot be validated as asked; the message says what to give."""


def assess(
    adapter: str | os.PathLike[str],
    config: ValidateConfig | None = None,
    *,
    base: str = "",
    data: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    device: str = "",
    promoting: bool = False,
    model: SpeechModel | None = None,
    recogniser: Transcriber | None = None,
) -> Validation:
    """Judge the adapter and its checkpoints, and write the report into ``out`` (the adapter).

    ``base`` and ``data`` are empty for those that it was trained on. The choice goes into the
    metrics of ``voice.json``; with ``promoting`` the chosen checkpoint becomes the adapter.

    Raises:
        AssessmentError: if the training set is not known or gone.
        AdapterError: if the adapter is damaged or made for another base.
        HeldOutError, EncodedSetError, ScoreError: as :func:`tts_lora.validate.validate`.
        ImportError: if the ``[metrics]`` extra is not installed.
    """
    from tts_lora.folder import read_adapter
    from tts_lora.scorecard import record, save
    from tts_lora.validate import ValidateConfig, validate
    from voice_data.encoded import EncodedSet
    from voice_data.speech import load_speech_model

    folder, config = Path(adapter), config or ValidateConfig()
    read = read_adapter(folder)
    held = EncodedSet(data or trained_on(folder))
    if model is None:
        model = load_speech_model(base or read.card.base)
    if device:
        model.network.to(device)
        config = replace(config, device="cuda" if device.startswith("cuda") else "cpu")
    heard = validate(
        model,
        folder,
        held,
        config,
        checkpoints=kept(folder) if config.checkpoints else None,
        condition=read.condition,
        recogniser=recogniser,
    )
    save(heard, out or folder, players=config.players)
    record(folder, heard.validation)
    if promoting:
        promote(folder, heard.validation)
    return heard.validation


def trained_on(adapter: Path) -> Path:
    """The training set that `train` recorded beside the adapter.

    Raises:
        AssessmentError: if there is no record, or the set is no longer there.
    """
    path = adapter / "train.json"
    try:
        data = Path(json.loads(path.read_text("utf-8"))["data"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssessmentError(
            f"{path} does not say what {adapter} was trained on: give --data"
        ) from error
    if not data.is_dir():
        raise AssessmentError(f"{adapter} was trained on {data}, which is not there: give --data")
    return data


def kept(adapter: Path) -> dict[str, Path]:
    """The checkpoints of the run by name, but for one that is the adapter itself."""
    from tts_lora.card import WEIGHTS
    from tts_lora.checkpoint import Checkpoints
    from voice_data.storage import file_sha256

    own = file_sha256(adapter / WEIGHTS)
    found = Checkpoints(adapter, 1).all()
    return {path.name: path for path in found if file_sha256(path / WEIGHTS) != own}


def promote(adapter: Path, validation: Validation) -> None:
    """Put the chosen checkpoint's weights in the adapter's place, and its name into the card.

    Every file is written whole or not at all, ``voice.json`` last: an interruption in between is
    noticed when the adapter is loaded.

    Raises:
        SelectionError: if no checkpoint was chosen.
    """
    from tts_lora.card import CONDITION, CONFIG, WEIGHTS, VoiceCard, rewrite
    from voice_data.storage import replacing

    selection = validation.selection
    if selection is None or selection.chosen is None:
        raise SelectionError(
            f"there is nothing to promote: {selection.why if selection else 'nothing was measured'}"
        )
    chosen = next(each for each in validation.standings if each.name == selection.chosen)
    source = Path(chosen.folder)
    card = VoiceCard.read(adapter)
    if source.resolve() == adapter.resolve():
        return
    for name in (WEIGHTS, CONFIG, CONDITION):
        if (source / name).is_file():
            with replacing(adapter / name) as temporary:
                temporary.write_bytes((source / name).read_bytes())
    metrics: dict[str, Any] = {**VoiceCard.read(source).metrics, **card.metrics}
    rewrite(adapter, replace(card, metrics={**metrics, "promoted": selection.chosen}))
