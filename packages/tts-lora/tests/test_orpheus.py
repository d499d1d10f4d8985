"""Orpheus with a real Llama, a real SNAC and a real tokenizer, all of toy size."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from weighing import check_positions

from tts_lora.contract import check_alignment
from tts_lora.families.codec import SnacCodec, check_codes, load_snac, new_snac
from tts_lora.families.codec_lm import CodecBatch, CodecLm
from tts_lora.families.orpheus import OrpheusConfig, OrpheusLayout, load
from tts_lora.families.sampling import GREEDY
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.manifest import Utterance
from voice_data.speech import Encoded, SpeechModelError

RATE, FRAME = 800, 16
SNAC = {
    "sampling_rate": RATE,
    "encoder_dim": 2,
    "encoder_rates": [2, 2],
    "decoder_dim": 8,
    "decoder_rates": [2, 2],
    "attn_window_size": None,
    "codebook_size": 16,
    "codebook_dim": 4,
    "vq_strides": [4, 2, 1],
}
TEXTS = ("One.", "Two of it.", "Three, then.", "And a fourth.")
TEXT_TOKENS = 258  # bytes, begin and end of text


def toy_tokenizer() -> Any:
    """Bytes, as Llama's tokenizer without its merges."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    begin, end = "<|begin_of_text|>", "<|eot_id|>"
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=begin, eos_token=end)


def toy_codec() -> SnacCodec:
    """Seeded, and without biases: random ones drown the sound, and every frame is the same."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        codec = new_snac(SNAC)
        for name, parameter in codec.model.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    return codec


def toy_network(vocabulary: int) -> Any:
    """Two layers, seeded."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=400,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LlamaForCausalLM(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as it lies on a disk."""
    config = OrpheusConfig(text_tokens=TEXT_TOKENS, begin_of_text=256, end_of_text=257)
    layout = OrpheusLayout(config, toy_tokenizer(), toy_codec())
    folder = tmp_path_factory.mktemp("orpheus")
    CodecLm(toy_network(layout.vocabulary), layout, GREEDY).save_pretrained(folder)
    return folder


@pytest.fixture
def model(folder: Path) -> CodecLm:
    """The same, loaded."""
    return load(str(folder))


def example(text: str, seconds: float = 0.3, speaker: str = "ada", rate: int = RATE) -> Example:
    """Seeded noise that swells."""
    count = int(seconds * rate)
    noise = np.random.default_rng(len(text)).standard_normal(count) * np.linspace(0, 1, count)
    utterance = Utterance(id=text[:3], audio="a.wav", text=text, speaker=speaker)
    return Example(utterance=utterance, audio=Audio((0.3 * noise).astype(np.float32), rate))


@pytest.fixture
def clips(model: CodecLm) -> list[Encoded]:
    """Four clips of one speaker, of 0.2 to 0.26 s."""
    return [model.encode(example(text, 0.2 + 0.02 * i)) for i, text in enumerate(TEXTS)]


def test_the_published_tokens_are_where_they_are_published() -> None:
    config = OrpheusConfig()
    assert (config.start_of_speech, config.end_of_speech) == (128_257, 128_258)
    assert (config.start_of_human, config.end_of_human) == (128_259, 128_260)
    assert (config.start_of_ai, config.end_of_ai) == (128_261, 128_262)
    assert (config.begin_of_text, config.end_of_text) == (128_000, 128_009)
    assert config.first_code == 128_266
    with pytest.raises(SpeechModelError, match="text_tokens must be 0 or more, not -1"):
        OrpheusConfig(text_tokens=-1)
    with pytest.raises(SpeechModelError, match="'a: b' is no name for a voice"):
        OrpheusConfig(voice="a: b")


def test_seven_tokens_a_frame_with_a_range_for_each_place() -> None:
    codec = new_snac({**SNAC, "codebook_size": 4_096})
    layout = OrpheusLayout(OrpheusConfig(), toy_tokenizer(), codec)
    codes = torch.tensor([[1, 8], [2, 9], [3, 10], [4, 11], [5, 12], [6, 13], [7, 14]])
    tokens = layout.tokens(codes)
    assert tokens[:7].tolist() == [128_266 + code + 4_096 * p for p, code in enumerate(range(1, 8))]
    assert tokens[7] == 128_266 + 8
    assert layout.vocabulary == 128_266 + 7 * 4_096
    assert layout.codes(tokens.tolist()).tolist() == codes.tolist()


def test_broken_frames_are_dropped(model: CodecLm) -> None:
    layout = model.layout
    codes = torch.arange(21).reshape(3, 7).T % 16
    whole = layout.tokens(codes).tolist()
    first, second, third = whole[:7], whole[7:14], whole[14:]
    for broken in ([*first, *second[:4], *third], [*first, *second[:3], *second[4:], *third],
                   [*first, *second[:6], 5, *third], [9, *first, *third, *second[:6]]):  # fmt: skip
        assert layout.codes(broken).T.tolist() == codes.T[[0, 2]].tolist()
    assert layout.codes([]).shape == (7, 0)
    assert layout.codes(second[1:]).shape == (7, 0)


def test_a_prompt_token_by_token(model: CodecLm) -> None:
    layout = model.layout
    said = toy_tokenizer()("ada: Hi.", add_special_tokens=False)["input_ids"]
    told = layout.named("ada")
    n = TEXT_TOKENS
    expected = [n + 3, 256, *said, 257, n + 4, n + 5, n + 1]
    assert layout.prompt("Hi.", told) == expected
    nobody = {"voice": torch.zeros(0, dtype=torch.uint8)}
    assert layout.prompt("Hi.", nobody)[2:5] == said[5:]
    assert bytes(layout.named(None)["voice"].tolist()) == b"tara"
    layout.config = replace(layout.config, begin_of_text=None)
    assert layout.prompt("Hi.", told) == [n + 3, *expected[2:]]
    with pytest.raises(SpeechModelError, match=r"spells the control token '<\|eot_id\|>'"):
        layout.prompt("Hi<|eot_id|>.", told)
    with pytest.raises(SpeechModelError, match="'' is no name for a voice"):
        layout.named("")


def test_the_codec_is_snac_itself() -> None:
    codec = toy_codec()
    assert codec.sizes == (16,) * 7
    assert codec.frame_rate == RATE / FRAME
    samples = torch.from_numpy(example("a", 0.5).audio.samples)
    coarse, middle, fine = (level[0] for level in codec.model.encode(samples[None, None]))
    codes = codec.encode(samples)
    assert codes.shape == (7, 25)
    for rows, level in (((0,), coarse), ((1, 4), middle), ((2, 3, 5, 6), fine)):
        assert codes[list(rows)].T.reshape(-1).tolist() == level.tolist()
    torch.manual_seed(5)
    sound = codec.decode(codes)
    torch.manual_seed(0)
    with torch.no_grad():
        expected = codec.model.decode([coarse[None], middle[None], fine[None]])[0, 0]
    torch.testing.assert_close(sound, expected)
    assert torch.equal(sound, codec.decode(codes))
    assert codec.decode(codes[:, :0]).shape == (0,)


def test_codecs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match=r"the code 16 is not in a codebook of 16"):
        toy_codec().decode(torch.full((7, 2), 16))
    with pytest.raises(SpeechModelError, match=r"codes must be \[7, T\], not \[3, 2\]"):
        check_codes(torch.zeros(3, 2), (16,) * 7)
    with pytest.raises(SpeechModelError, match=r"the strides \[3, 2\] make no frames"):
        new_snac({**SNAC, "vq_strides": [3, 2]})
    with pytest.raises(SpeechModelError, match="describes no SNAC codec"):
        new_snac({"colour": 1})
    with pytest.raises(SpeechModelError, match=r"config\.json cannot be read"):
        load_snac(tmp_path)
    toy_codec().save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(SpeechModelError, match="holds no SNAC weights"):
        load_snac(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(SpeechModelError, match="holds no SNAC weights"):
        load_snac(tmp_path)


def test_the_published_pickle_is_read_as_tensors_only(tmp_path: Path) -> None:
    codec = toy_codec()
    (tmp_path / "config.json").write_text(json.dumps(SNAC))
    torch.save(codec.model.state_dict(), tmp_path / "pytorch_model.bin")
    codes = torch.ones(7, 2, dtype=torch.int64)
    assert torch.equal(load_snac(tmp_path).decode(codes), codec.decode(codes))
    torch.save({"code": Path}, tmp_path / "pytorch_model.bin")
    with pytest.raises(SpeechModelError, match="holds no SNAC weights"):
        load_snac(tmp_path)


def test_without_the_package_snac_the_remedy_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "snac", None)
    with pytest.raises(SpeechModelError, match=r"pip install 'tts-lora\[orpheus\]'"):
        load(str(folder))


def test_encode(model: CodecLm) -> None:
    told = example("One.", 0.5)
    encoded = model.encode(told)
    whole = model.layout.codec.encode(torch.from_numpy(told.audio.samples))
    kept = [0] + [t for t in range(1, 25) if whole[0, t] != whole[0, t - 1]]
    assert 1 < len(kept) < 25  # some frames repeat
    assert encoded["codes"].tolist() == whole[:, kept].tolist()
    assert bytes(encoded["text"].tolist()) == b"One."
    assert bytes(encoded["voice"].tolist()) == b"ada"
    assert model.length(encoded) == len(model.layout.prompt("One.", encoded)) + 7 * len(kept) + 1
    model.layout.config = replace(model.layout.config, drop_repeats=False)
    assert model.encode(told)["codes"].tolist() == whole.tolist()


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (example("One.", rate=1_000), "has 1000 Hz and 800 Hz are wanted"),
        (example("One.", seconds=0.1), "clip 'One' lasts 0.100 s"),
        (example("Any", seconds=9.0), "positions and the model has 400"),
    ],
)
def test_encode_refuses(model: CodecLm, clip: Example, message: str) -> None:
    model.layout.config = replace(model.layout.config, drop_repeats=False)
    with pytest.raises(SpeechModelError, match=message):
        model.encode(clip)


def test_the_voice_of_some_clips_is_their_name(model: CodecLm) -> None:
    clips = [model.encode(example(t, speaker=s)) for t, s in zip(TEXTS, "abbc", strict=True)]
    assert bytes(model.condition(clips)["voice"].tolist()) == b"b"


def test_the_contract_holds_and_a_second_shift_breaks_it(
    model: CodecLm, clips: list[Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = check_alignment(model, clips)
    assert report.ok, report.findings
    assert {"q_proj", "k_proj", "v_proj", "o_proj", "down_proj"} <= set(report.groups)
    monkeypatch.setattr(model, "collate", shifted(model.collate))
    findings = check_alignment(model, clips).findings
    assert any("they are shifted twice" in finding for finding in findings)


def shifted(collate: Callable[..., CodecBatch]) -> Callable[..., CodecBatch]:
    """A collator that shifts the labels, although the loss is going to."""

    def wrapped(*args: Any) -> CodecBatch:
        batch = collate(*args)
        return replace(batch, labels=batch.labels.roll(-1, 1))

    return wrapped


def test_the_contract_holds_with_an_adapter(model: CodecLm, clips: list[Encoded]) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(0)
    targets = list(model.targets["linear"])
    inject_adapter_in_model(LoraConfig(r=2, target_modules=targets), model.network)
    before = model.weights_sha256
    report = check_alignment(model, clips)
    assert report.ok, report.findings
    assert set(report.groups) == set(targets)
    assert model.weights_sha256 == before


def memorise(model: CodecLm, clips: list[Encoded], parameters: list[Tensor], rate: float) -> float:
    """Train on one batch until every unit is certain."""
    batch = model.collate(clips)
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0)
    loss = float("inf")
    for _ in range(400):
        total = model.loss(batch).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        loss = float(total.detach())
        if loss < 0.02:
            break
    return loss


def test_four_clips_are_memorised_and_said_again(
    model: CodecLm, clips: list[Encoded], tmp_path: Path
) -> None:
    model.network.train()
    assert memorise(model, clips, list(model.network.parameters()), 3e-3) < 0.02
    said = [model.generate_units(text, clips[0]) for text in TEXTS]
    together = model.generate(TEXTS, [model.condition(clips)] * 4)
    for clip, codes, again in zip(clips, said, together, strict=True):
        assert codes.tolist() == clip["codes"].tolist()
        assert again.tolist() == clip["codes"].tolist()
    model.sampling = GREEDY
    spoken = model.speak(TEXTS[1], voice="ada")
    expected = model.layout.codec.decode(clips[1]["codes"])
    np.testing.assert_array_equal(spoken.samples, expected.numpy())
    assert spoken.rate == RATE
    model.save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert again.weights_sha256 != model.weights_sha256
    assert again.generate_units(TEXTS[2], clips[0]).tolist() == clips[2]["codes"].tolist()
    batch = model.collate(clips)
    torch.testing.assert_close(again.trace(batch).outputs, model.trace(batch).outputs)


def test_other_weights_are_saved_with_all_that_a_folder_needs(
    model: CodecLm, tmp_path: Path
) -> None:
    weights = {name: value.clone() for name, value in model.network.state_dict().items()}
    weights["model.norm.weight"] += 1
    model.save_pretrained(tmp_path, state_dict=weights)
    again = load(str(tmp_path))
    torch.testing.assert_close(again.network.model.norm.weight, model.network.model.norm.weight + 1)
    assert again.layout.config.text_tokens == TEXT_TOKENS


def test_a_folder_without_its_parts_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match=r"'nobody/nothing' is no folder, and no hub id"):
        load("nobody/nothing")
    with pytest.raises(SpeechModelError, match=r"'hubertsiuzdak/snac_24khz' is no folder, and no"):
        load(str(tmp_path))
    layout = load(str(folder)).layout
    CodecLm(toy_network(300), layout, GREEDY).save_pretrained(tmp_path)
    with pytest.raises(SpeechModelError, match="has 300 tokens and its codec needs 380"):
        load(str(tmp_path))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    with pytest.raises(SpeechModelError, match="holds no tokenizer"):
        load(str(tmp_path))


def test_the_loss_counts_tokens_with_the_stop(model: CodecLm, clips: list[Encoded]) -> None:
    check_positions(model, clips, [each["codes"].numel() + 1 for each in clips], "codes")
