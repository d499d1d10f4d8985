"""audio-projector has nothing behind it yet. The first feature replaces this file."""

from __future__ import annotations

import importlib.metadata
import pkgutil

import audio_projector


def test_nothing_is_behind_the_name_yet() -> None:
    assert audio_projector.__all__ == ["__version__"]
    assert [module.name for module in pkgutil.iter_modules(audio_projector.__path__)] == []


def test_the_package_says_so_itself() -> None:
    assert "Not working yet" in (audio_projector.__doc__ or "")
    classifiers = importlib.metadata.metadata("audio-projector").get_all("Classifier") or []
    assert "Private :: Do Not Upload" in classifiers


def test_the_version_is_the_one_in_the_metadata() -> None:
    assert importlib.metadata.version("audio-projector") == audio_projector.__version__
