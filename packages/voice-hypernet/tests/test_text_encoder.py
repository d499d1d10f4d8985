from __future__ import annotations

import pytest
import torch

from voice_hypernet import grams
from voice_hypernet.grams import DescriptionError, read
from voice_hypernet.text_encoder import TextConfig, TextEncoder

GRAMS_OF_DEEP = [10027, 11851, 14803, 9944]
SMALL = TextConfig(embedding=16, width=32, layers=1, heads=2, condition=8)


@pytest.mark.parametrize("text", ["", "   ", "12 34", "🙂 !!", "---"])
def test_a_description_without_words_is_refused(text: str) -> None:
    with pytest.raises(DescriptionError, match=r"holds no word: describe the voice"):
        read(text)


def test_words_that_share_letters_share_grams() -> None:
    def shared(a: str, b: str) -> int:
        return len((set(read(a).grams[0]) & set(read(b).grams[0])) - {0})

    assert shared("husky", "huskily") > 5 * max(1, shared("husky", "bright"))
    assert shared("차분한", "차분하고") > 5 * max(1, shared("차분한", "높은"))


def test_case_and_unicode_form_do_not_matter() -> None:
    assert (read("A DEEP voice").grams == read("a deep VOICE").grams).all()
    assert (read("낮은").grams == read("\u1102\u1161\u11bd\u110b\u1173\u11ab").grams).all()


def test_long_and_foreign_descriptions_warn() -> None:
    assert read("a calm voice").warnings == ()
    assert read("차분한 목소리").warnings == ()
    (warning,) = read("deep " * 10_000).warnings
    assert warning == "only the first 96 of 10000 words are used"
    (warning,) = read("глубокий голос").warnings
    assert warning.startswith("100% of the letters are neither Latin nor Hangul")


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(SMALL).eval()
    texts = ["a calm man", "a rather quick and very bright young woman with some breath in it"]
    together = encoder.encode(texts)
    for row, text in zip(together, texts, strict=True):
        torch.testing.assert_close(row, encoder.encode([text])[0], atol=1e-6, rtol=1e-5)
    assert encoder.grams.weight[0].abs().sum() == 0


def test_hashes_are_the_same_everywhere() -> None:
    assert read("deep").grams[0, :4].tolist() == GRAMS_OF_DEEP


def test_it_learns_to_tell_descriptions_apart() -> None:
    torch.manual_seed(0)
    encoder, head = TextEncoder(SMALL), torch.nn.Linear(8, 2)
    texts = ["a deep man", "a low male voice", "a high woman", "a bright female voice"]
    labels = torch.tensor([0, 0, 1, 1])
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], 0.01)
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(head(encoder.encode(texts)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unseen = head(encoder.encode(["low and deep", "female and high"])).argmax(1)
    assert unseen.tolist() == [0, 1]


def test_a_batch_has_the_shape_of_its_largest() -> None:
    readings = [read("one"), read("a longer description")]
    made = grams.batch(readings)
    assert made.shape == (2, 3, max(r.grams.shape[1] for r in readings))
    assert (made[0, 1:] == 0).all()


def test_config_refuses_what_it_does_not_know() -> None:
    assert TextConfig.from_dict(SMALL.to_dict()) == SMALL
    with pytest.raises(ValueError, match="unknown key 'size' in TextConfig; valid:"):
        TextConfig.from_dict({"size": 3})
    with pytest.raises(ValueError, match=r"width \(10\) must be a multiple of heads \(4\)"):
        TextConfig(width=10)
    with pytest.raises(ValueError, match=r"TextConfig.layers must be a positive integer, not 0"):
        TextConfig(layers=0)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), not -1"):
        TextConfig(dropout=-1.0)
