"""tts-lora has nothing behind it yet. The first feature replaces this file."""

from __future__ import annotations

import importlib.metadata
import pkgutil

import tts_lora


def test_nothing_is_behind_the_name_yet() -> None:
    assert tts_lora.__all__ == ["__version__"]
    assert [module.name for module in pkgutil.iter_modules(tts_lora.__path__)] == []


def test_the_package_says_so_itself() -> None:
    assert "Not working yet" in (tts_lora.__doc__ or "")
    classifiers = importlib.metadata.metadata("tts-lora").get_all("Classifier") or []
    assert "Private :: Do Not Upload" in classifiers


def test_the_version_is_the_one_in_the_metadata() -> None:
    assert importlib.metadata.version("tts-lora") == tts_lora.__version__
