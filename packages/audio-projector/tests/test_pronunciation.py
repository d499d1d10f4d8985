"""The judge of homographs, on sounds whose pronunciation is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from audio_projector.pronunciation import Homograph, PronunciationError, judge, read_homographs
from voice_data.audio import Audio

if TYPE_CHECKING:
    from tiny_models import Hum

ITEM = Homograph(text="Read it now.", word="read", right="redd", wrong="reed")


@pytest.mark.parametrize("voice", ["low", "high"])
def test_the_spelling_that_was_said_is_heard_in_any_voice(hum: Hum, voice: str) -> None:
    for said in ("redd", "reed"):
        audio = hum.speak(ITEM.spelled(said), voice=voice)
        found = judge(ITEM, audio, hum)
        assert found.heard is (said == "redd")
        assert -1.0 <= found.margin <= 1.0


def test_loudness_does_not_decide(hum: Hum) -> None:
    audio = hum.speak(ITEM.spelled("redd"))
    soft = Audio(0.2 * audio.samples, audio.rate)
    assert judge(ITEM, soft, hum).margin == pytest.approx(judge(ITEM, audio, hum).margin, abs=1e-4)


def test_the_margin_is_the_difference_of_both_losses_and_changes_sign(hum: Hum) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, len(hum.speak(ITEM.text).samples))
    audio = Audio((hum.speak(ITEM.text).samples + noise).astype(np.float32), hum.sample_rate)
    found = judge(ITEM, audio, hum)
    turned = judge(replace(ITEM, right="reed", wrong="redd"), audio, hum)
    assert 0 < abs(found.margin) < 1
    assert turned.margin == pytest.approx(-found.margin)


def test_a_word_is_respelled_with_its_capital() -> None:
    assert ITEM.spelled("redd") == "Redd it now."
    item = Homograph(text="Bread I read.", word="read", right="redd", wrong="reed")
    assert item.spelled("reed") == "Bread I reed."


def test_what_cannot_be_judged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PronunciationError, match="'lead' is not in"):
        Homograph(text="Read it.", word="lead", right="a", wrong="b")
    with pytest.raises(PronunciationError, match="two equal respellings"):
        Homograph(text="Read it.", word="read", right="a", wrong="a")
    path = tmp_path / "h.jsonl"
    path.write_text('{"text": "Read it.", "word": "read"}\n')
    with pytest.raises(PronunciationError, match=r"h\.jsonl:1:"):
        read_homographs(path)
    path.write_text("")
    with pytest.raises(PronunciationError, match="is empty"):
        read_homographs(path)
