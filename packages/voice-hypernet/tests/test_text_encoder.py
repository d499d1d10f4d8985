from __future__ import annotations

from pathlib import Path

import pytest
import torch

from voice_data.artefact import Provenance
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
    low = ["a deep man", "a low male voice", "low and calm", "a man who speaks deeply"]
    high = ["a high woman", "a bright female voice", "high and lively", "a lady who squeaks"]
    texts, labels = low + high, torch.tensor([0] * 4 + [1] * 4)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], 0.01)
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(head(encoder.encode(texts)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unseen = head(encoder.encode(["deep and low", "female and high"])).argmax(1)
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


def test_standardizing_changes_the_scale_and_not_what_is_understood() -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(SMALL).eval()
    texts = [
        f"a voice number {word}" for word in ["one", "two", "three", "four", "five", "six", "seven"]
    ]
    with torch.no_grad():
        before = encoder.tags(encoder.encode(texts))
        encoder.standardize(encoder.encode(texts))
        after = encoder.encode(texts)
        encoder.standardize(after)  # nothing is left to change
        torch.testing.assert_close(after.mean(0), torch.zeros(8), atol=1e-4, rtol=0.0)
        torch.testing.assert_close(after.std(0), torch.ones(8), atol=1e-3, rtol=0.0)
        torch.testing.assert_close(encoder.encode(texts), after, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(encoder.tags(after), before, atol=1e-3, rtol=1e-3)


def test_a_saved_encoder_is_the_same_in_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(SMALL).eval()
    encoder.save_pretrained(
        tmp_path / "text", "# A toy\n", Provenance(sample_rate=24_000, licence="Apache-2.0")
    )
    assert (tmp_path / "text" / "model.safetensors").stat().st_size < 2.2 * encoder.size() + 9000
    loaded = TextEncoder.from_pretrained(tmp_path / "text")
    with torch.no_grad():
        expected, found = encoder.encode(["a calm man"]), loaded.encode(["a calm man"])
    torch.testing.assert_close(found, expected, atol=5e-3, rtol=5e-3)
    assert loaded.understand(["a calm man"])[0].tags == encoder.understand(["a calm man"])[0].tags
