"""What the package shows to the outside."""

from __future__ import annotations

import importlib.metadata

import pytest

import voice_hypernet


def test_the_public_names_are_these() -> None:
    assert voice_hypernet.__all__ == [
        "HypernetConfig", "LoraShape", "TrainConfig", "Voice", "VoiceConfig", "VoiceHypernet",
    ]  # fmt: skip
    for name in voice_hypernet.__all__:
        assert getattr(voice_hypernet, name).__name__ == name
    assert set(voice_hypernet.__all__) <= set(dir(voice_hypernet))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Voices'; it has HypernetConfig"):
        voice_hypernet.Voices  # noqa: B018


def test_the_version_is_the_one_in_the_metadata() -> None:
    assert importlib.metadata.version("voice-hypernet") == voice_hypernet.__version__
