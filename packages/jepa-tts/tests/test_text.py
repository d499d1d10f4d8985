"""Bytes, and the encoder over them."""

from __future__ import annotations

import pytest
import torch

from jepa_tts.alphabet import BEGIN, END, OFFSET, PAD, to_bytes
from jepa_tts.model import JepaModel
from jepa_tts.text import HALVES, collate_text

TEXTS = ("hi", "नमस्ते दुनिया", "a longer sentence, with a comma", "")


@pytest.mark.parametrize("text", [*TEXTS, "שלום", "😀"])
def test_bytes_are_utf8_between_begin_and_end(text: str) -> None:
    ids = to_bytes(text)
    assert (ids[0], ids[-1]) == (BEGIN, END)
    assert bytes(i - OFFSET for i in ids[1:-1]).decode("utf-8") == text


def test_collate_pads_at_the_end() -> None:
    ids = collate_text(TEXTS)
    assert ids.dtype == torch.int64
    for row, text in zip(ids.tolist(), TEXTS, strict=True):
        count = len(to_bytes(text))
        assert row[:count] == to_bytes(text)
        assert set(row[count:]) <= {PAD}


@torch.inference_mode()
def test_padding_changes_nothing(model: JepaModel) -> None:
    together = model.text_encoder(collate_text(TEXTS))
    for row, text in zip(together, TEXTS, strict=True):
        alone = model.text_encoder(collate_text([text]))[0]
        torch.testing.assert_close(row[: len(alone)], alone, atol=1e-5, rtol=0)
        assert not row[len(alone) :].any()


def test_logits_have_two_slots_per_byte(model: JepaModel) -> None:
    ids = collate_text(["abc"])
    encoded = model.text_encoder(ids)
    logits = model.text_encoder.phoneme_logits(encoded)
    assert logits.shape == (1, ids.shape[1] * HALVES, len(model.config.phonemes) + 1)
    # the slots of a byte lie side by side and depend on its vector alone
    changed = encoded.clone()
    changed[0, 2] += 1.0
    moved = (model.text_encoder.phoneme_logits(changed) != logits).any(-1)[0]
    assert moved.nonzero()[:, 0].tolist() == [4, 5]


@torch.inference_mode()
def test_durations_of_a_batch_equal_those_of_each_text(model: JepaModel) -> None:
    ids, voice = collate_text(TEXTS), torch.randn(len(TEXTS), model.config.width)
    together = model.durations(model.text_encoder(ids), voice, ids != PAD)
    for index, text in enumerate(TEXTS):
        one = collate_text([text])
        alone = model.durations(model.text_encoder(one), voice[index][None], one != PAD)[0]
        torch.testing.assert_close(together[index, : len(alone)], alone, atol=1e-5, rtol=0)
