"""The public names, and what importing them costs."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import audio_projector


def test_the_public_names_are_these() -> None:
    assert audio_projector.__all__ == [
        "Bridge", "Spoken", "LanguageModel", "ProjectorConfig", "load_projector",
        "save_projector",
    ]  # fmt: skip
    for name in audio_projector.__all__:
        assert getattr(audio_projector, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        audio_projector.nothing  # noqa: B018


def test_the_version_is_that_of_the_metadata() -> None:
    assert importlib.metadata.version("audio-projector") == audio_projector.__version__


def test_importing_loads_no_torch() -> None:
    code = "import sys, audio_projector; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
