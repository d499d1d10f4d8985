from __future__ import annotations

import subprocess
import sys

import pytest

import voice_data

PUBLIC = {
    *("Audio", "Utterance", "load_speech_model", "normalize"),
    *("read", "read_manifest", "write", "write_manifest"),
}


def test_public_names_are_frozen_and_reachable() -> None:
    assert set(voice_data.__all__) == PUBLIC
    assert all(callable(getattr(voice_data, name)) for name in PUBLIC)
    assert set(dir(voice_data)) >= PUBLIC


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="no attribute 'reed'; it has Audio, Utterance"):
        voice_data.reed  # noqa: B018


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, voice_data; print(sorted({'numpy', 'torch', 'soundfile'} & {*sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
