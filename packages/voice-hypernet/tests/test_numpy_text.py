from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from voice_data.artefact import ArtefactError, Provenance
from voice_hypernet.grams import DescriptionError
from voice_hypernet.numpy_text import NumpyTextEncoder
from voice_hypernet.text_encoder import TextConfig, TextEncoder

TERMS = Provenance(sample_rate=24_000, licence="Apache-2.0")
TEXTS = ["a calm man", "아주 빠르게 말하는 소녀", "deep " * 60, "Who? An old, very raspy sailor!"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    encoder = TextEncoder(TextConfig(embedding=24, width=32, layers=3, heads=4, condition=20))
    for parameter in encoder.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    encoder.grams.weight.data[0].zero_()
    encoder.standardize(encoder.encode(TEXTS).detach() * 3.0 + 1.0)
    path = tmp_path_factory.mktemp("text") / "encoder"
    encoder.save_pretrained(path, "# A toy\n", TERMS)
    return path


def test_it_equals_torch(folder: Path) -> None:
    wanted = TextEncoder.from_pretrained(folder)
    found = NumpyTextEncoder.from_pretrained(folder)
    with torch.no_grad():
        theirs = wanted.encode(TEXTS).numpy()
    assert np.abs(theirs).max() > 0.1
    assert np.abs(found.encode(TEXTS) - theirs).max() < 1e-4
    for text, row in zip(TEXTS, theirs, strict=True):
        assert np.abs(found.encode([text])[0] - row).max() < 1e-4
    for mine, other in zip(found.understand(TEXTS), wanted.understand(TEXTS), strict=True):
        assert mine.tags == other.tags
        assert mine.confidence == pytest.approx(other.confidence, abs=1e-4)


def test_it_does_not_load_torch(folder: Path) -> None:
    code = (
        "import sys; from voice_hypernet.numpy_text import NumpyTextEncoder as E;"
        f"print(E.from_pretrained({str(folder)!r}).encode(['a man']).shape, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "(1, 20) False"


def test_no_word_is_refused(folder: Path) -> None:
    with pytest.raises(DescriptionError, match="holds no word"):
        NumpyTextEncoder.from_pretrained(folder).encode(["!!"])


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="is not an artefact"):
        NumpyTextEncoder.from_pretrained(tmp_path)
