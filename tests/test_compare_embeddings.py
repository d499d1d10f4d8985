"""Which clips embeddings are compared on, and what is said of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import compare_embeddings
import torch

from jepa_tts.config import SIZES
from jepa_tts.model import JepaModel


def corpus(*speakers: str) -> Any:
    rows = [SimpleNamespace(speaker=speaker) for speaker in speakers]
    mels = [torch.randn(16, 100) for _ in rows]

    def part(split: str, wanted: tuple[str, ...]) -> list[int]:
        assert split == "validation"
        return [i for i, row in enumerate(rows) if not wanted or row.speaker in wanted]

    return SimpleNamespace(rows=rows, part=part, mel_of=lambda index: mels[index])


def test_speakers_take_turns() -> None:
    heard = corpus("a", "a", "a", "b", "c", "b")
    assert compare_embeddings.held_out(heard, (), 5) == [0, 3, 4, 1, 5]
    assert compare_embeddings.held_out(heard, ("a", "c"), 9) == [0, 4, 1, 2]
    assert compare_embeddings.held_out(heard, ("nobody",), 9) == []


def test_a_fresh_auto_encoder_is_measured() -> None:
    torch.manual_seed(0)
    model, heard = JepaModel(SIZES["tiny"]).eval(), corpus("a", "b")
    mels, figures = compare_embeddings.decoded(model, heard, [0, 1])
    assert [mel.shape for mel in mels] == [(100, 16)] * 2
    off = [float((mel - heard.mel_of(i).T).abs().mean()) for i, mel in enumerate(mels)]
    assert abs(figures["l1"] - sum(off) / 2) < 1e-6
    assert 0 < figures["rank"] < 1
    shown = compare_embeddings.table({"true mels": {"wer": 0.5}, "kl": figures}, 2)
    assert "| wer | 0.5 |  |" in shown
    assert f"| rank |  | {figures['rank']:.4g} |" in shown
