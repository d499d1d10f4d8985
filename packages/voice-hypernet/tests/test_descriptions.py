"""Who reads descriptions, and what is said about odd ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import TEXT, save_toy

from voice_data.artefact import ArtefactError
from voice_hypernet import descriptions
from voice_hypernet.descriptions import OwnEncoder, TransformersEncoder, consider, load_encoder
from voice_hypernet.grams import DescriptionError
from voice_hypernet.text_encoder import TextEncoder
from voice_hypernet.understanding import Understanding


class Teller:
    """An encoder that counts letters and understands what it is told to."""

    def __init__(self, found: Understanding | None = None) -> None:
        self.found = found

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.asarray([[len(text), 1.0] for text in texts], np.float32)

    def understand(self, encoded: np.ndarray) -> list[Understanding] | None:
        return None if self.found is None else [self.found] * len(encoded)


def test_a_folder_of_ours_is_read_without_torch_code(tmp_path: Path) -> None:
    save_toy(tmp_path)
    encoder = load_encoder(str(tmp_path / "text"))
    assert isinstance(encoder, OwnEncoder)
    texts = [f"a calm voice number {index}" for index in range(70)]
    heavy = TextEncoder.from_pretrained(tmp_path / "text")
    with torch.no_grad():
        np.testing.assert_allclose(encoder.encode(texts), heavy.encode(texts), atol=1e-4)
    assert encoder.encode(texts).shape == (70, TEXT)
    found, wanted = encoder.understand(encoder.encode(texts)), heavy.understand(texts)
    assert [each.tags for each in found] == [each.tags for each in wanted]


def test_the_shipped_encoder_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_toy(tmp_path)
    monkeypatch.setattr(descriptions, "shipped", lambda: tmp_path / "text")
    assert isinstance(load_encoder(), OwnEncoder)
    monkeypatch.setattr(descriptions, "shipped", lambda: tmp_path / "nothing")
    with pytest.raises(ArtefactError, match="nothing"):
        load_encoder("")


def test_a_folder_with_a_damaged_config_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ArtefactError, match=r"config\.json cannot be read"):
        load_encoder(str(tmp_path))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with random weights and a vocabulary of letters."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("bert")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{x}" for x in letters)]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_any_transformers_encoder_reads_descriptions(bert: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    encoder = load_encoder(str(bert))
    assert isinstance(encoder, TransformersEncoder)
    texts = ["a calm man", "a very much longer description of a voice"]
    found = encoder.encode(texts)
    tokenizer, model = AutoTokenizer.from_pretrained(bert), AutoModel.from_pretrained(bert).eval()
    for row, text in enumerate(texts):  # one by one: padding must not count
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state
        np.testing.assert_allclose(found[row], states[0].mean(0).numpy(), atol=1e-5)
    assert encoder.understand(found) is None
    with pytest.raises(DescriptionError, match="holds no word"):
        encoder.encode(["..."])


def test_without_transformers_the_extra_is_named(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'voice-hypernet\[transformers\]'"):
        load_encoder(str(bert))


def test_a_contradiction_is_said_settled_and_read_as_settled() -> None:
    text = "a deep high voice"
    found, encoded = consider(Teller(), ["a calm man", text])
    assert found[1].tags == {"pitch": "low"}
    assert found[1].warnings[0] == "'deep' and 'high' exclude each other (pitch): low is taken"
    assert found[1].warnings[1] == f"it is read as {found[1].said!r}"
    assert found[1].said != text
    assert encoded[:, 0].tolist() == [len("a calm man"), len(found[1].said)]
    assert found[0].said == "a calm man"


def test_a_contradiction_that_only_the_encoder_finds_is_settled_too() -> None:
    found = Understanding(tags={"rate": "slow"}, confidence={"rate": 0.9}, contradictions=("rate",))
    (each,), _ = consider(Teller(found), ["dawdling at a gallop"])
    assert each.tags == {"rate": "slow"}
    assert "contradicts itself about rate: slow is taken" in each.warnings[0]
    assert each.said != each.text


def test_korean_contradictions_are_settled_in_korean() -> None:
    (each,), _ = consider(Teller(), ["낮고 높은 남자 목소리"])
    assert each.tags == {"gender": "male", "pitch": "low"}
    assert any("가" <= letter <= "힣" for letter in each.said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("une voix de femme douce", "neither English nor Korean"),
        ("eine tiefe männliche Stimme und ein Mann", "neither English nor Korean"),
        ("低い声の男性", "neither Latin nor Hangul"),
        ("the window faces north", "no attribute of a voice was recognised"),
        ("calm " * 10_000, "only the first 96 of 10000 words are used"),
    ],
)
def test_odd_descriptions_are_read_with_a_warning(text: str, message: str) -> None:
    (each,), encoded = consider(Teller(), [text])
    assert any(message in warning for warning in each.warnings)
    assert each.said == text
    assert encoded.shape == (1, 2)


@pytest.mark.parametrize("text", ["une voix de femme douce", "深い男性の声"])
def test_of_other_languages_the_encoder_is_not_believed(text: str) -> None:
    found = Understanding(tags={"gender": "male"}, confidence={"gender": 0.99})
    (each,), _ = consider(Teller(found), [text])
    assert each.tags == {}
    assert each.warnings


def test_what_is_guessed_is_called_a_guess() -> None:
    found = Understanding(tags={"gender": "male"}, confidence={"gender": 0.6})
    guessed, plain = consider(Teller(found), ["the window faces north", "a man"])[0]
    assert guessed.tags == {"gender": "male"}
    assert guessed.warnings == (
        "no plain word for a voice was found: what is understood is a guess",
    )
    assert plain.warnings == ()


def test_what_is_guessed_is_left_to_a_clip() -> None:
    found = Understanding(
        tags={"gender": "male", "rate": "fast", "range": "wide"},
        confidence={"gender": 0.54, "rate": 0.54, "range": 0.95},
    )
    (each,), _ = consider(Teller(found), ["the same, but faster"], guessing=False)
    assert each.tags == {"rate": "fast", "range": "wide"}
    (alone,), _ = consider(Teller(found), ["the same, but faster"])
    assert alone.tags == found.tags


def test_plain_descriptions_raise_no_warning() -> None:
    texts = ["a deep, calm man", "차분하고 낮은 남자 목소리", "a young woman who speaks fast"]
    assert [each.warnings for each in consider(Teller(), texts)[0]] == [(), (), ()]


@pytest.mark.parametrize("text", ["", "  ", "?!", "123"])
def test_a_description_without_a_word_is_refused(text: str) -> None:
    with pytest.raises(DescriptionError, match="holds no word"):
        consider(Teller(), [text])


def test_understood_tags_are_plain_for_json(tmp_path: Path) -> None:
    save_toy(tmp_path)
    (each,), _ = consider(load_encoder(str(tmp_path / "text")), ["a calm man"])
    assert json.loads(json.dumps(dict(each.tags))) == dict(each.tags)
