"""voice-hypernet has parts and no whole yet. The first command replaces this file."""

from __future__ import annotations

import importlib.metadata

import voice_hypernet


def test_nothing_is_public_yet() -> None:
    assert voice_hypernet.__all__ == ["__version__"]
    scripts = importlib.metadata.distribution("voice-hypernet").entry_points
    assert list(scripts) == []


def test_the_package_says_so_itself() -> None:
    assert "Not working yet" in (voice_hypernet.__doc__ or "")
    classifiers = importlib.metadata.metadata("voice-hypernet").get_all("Classifier") or []
    assert "Private :: Do Not Upload" in classifiers


def test_the_version_is_the_one_in_the_metadata() -> None:
    assert importlib.metadata.version("voice-hypernet") == voice_hypernet.__version__
