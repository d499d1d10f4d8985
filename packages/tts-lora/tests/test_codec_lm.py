"""Text and audio tokens through a real Llama of two layers, with the smallest possible layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from tts_lora.contract import check_alignment
from tts_lora.families import fused_loss
from tts_lora.families.causal_lm import cross_entropy, files_sha256, load_network
from tts_lora.families.codec_layout import read_settings, text_ids, write_settings
from tts_lora.families.codec_lm import IGNORED, CodecLm
from tts_lora.families.sampling import GREEDY, SamplingConfig
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.manifest import Utterance
from voice_data.speech import Condition, Encoded, SpeechModelError

RATE, HOP, CODES = 1_000, 50, 8
STOP, FIRST, VOCABULARY = 256, 260, 270


class Bytes:
    """Prompt: the voice's number and the bytes of the text. A code is a level of 50 samples."""

    sample_rate, tokens_per_second = RATE, RATE / HOP
    stops, keys = (STOP,), ("voice",)

    def encode(self, example: Example) -> Encoded:
        frames = example.audio.samples.reshape(-1, HOP).mean(1)
        codes = torch.tensor(np.round(frames * CODES), dtype=torch.int32)[None]
        text = torch.tensor(list(example.utterance.text.encode()), dtype=torch.uint8)
        return {"text": text, "codes": codes, "voice": torch.tensor([257])}

    def condition(self, voices: Sequence[Condition]) -> Condition:
        return voices[0]

    def named(self, voice: str | None) -> Condition:
        return {"voice": torch.tensor([258 if voice else 257])}

    def prompt(self, text: str, condition: Condition) -> list[int]:
        return [int(condition["voice"][0]), *text.encode()]

    def tokens(self, codes: Tensor) -> Tensor:
        return codes[0].long() + FIRST

    def codes(self, tokens: Sequence[int]) -> Tensor:
        return torch.tensor([[t - FIRST for t in tokens if t >= FIRST]], dtype=torch.int32)

    def sound(self, codes: Tensor, condition: Condition) -> Tensor:
        return (codes[0].float() / 16).repeat_interleave(HOP)

    def to(self, device: torch.device) -> None:
        """There are no weights."""

    def save(self, folder: Path) -> None:
        """There is nothing to save."""


def llama(context: int = 300) -> LlamaForCausalLM:
    """Two layers, seeded."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        bos_token_id=None,
        eos_token_id=STOP,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LlamaForCausalLM(config).eval()


def clip(text: str, codes: Sequence[int]) -> Encoded:
    """An encoded clip."""
    return {
        "text": torch.tensor(list(text.encode()), dtype=torch.uint8),
        "codes": torch.tensor([codes], dtype=torch.int32),
        "voice": torch.tensor([257]),
    }


CLIPS = [clip("Hi.", [1, 2, 3, 4, 5]), clip("A longer text.", [7, 0]), clip("Ä", [3])]


@pytest.fixture
def model() -> CodecLm:
    """A model of one's own."""
    return CodecLm(llama(), Bytes(), GREEDY)


def test_a_batch_holds_prompts_left_and_audio_right(model: CodecLm) -> None:
    batch = model.collate(CLIPS)
    assert batch.prompt == 15
    assert batch.ids[0, 11:].tolist() == [257, *b"Hi.", 261, 262, 263, 264, 265, STOP]
    assert batch.mask[0].tolist() == [0] * 11 + [1] * 10
    assert batch.mask[1].tolist() == [1] * 18 + [0] * 3
    assert batch.labels[1].tolist() == [IGNORED] * 15 + [267, 260, STOP] + [IGNORED] * 3
    assert [model.length(each) for each in CLIPS] == [10, 18, 5]
    told = model.collate(CLIPS[:1], [{"voice": torch.tensor([258])}])
    assert told.ids[0, 0] == 258


def test_the_loss_is_that_of_transformers(model: CodecLm) -> None:
    ids = torch.tensor([[257, *b"Hi.", 261, 262, 263, 264, 265, STOP]])
    labels = ids.masked_fill(torch.arange(10) < 4, IGNORED)
    expected = model.network(input_ids=ids, labels=labels).loss
    loss = model.loss(model.collate(CLIPS[:1]))
    torch.testing.assert_close(loss.total, expected)
    assert loss.parts == {"codes": pytest.approx(float(expected.detach()))}


def test_the_loss_is_made_of_its_trace(model: CodecLm) -> None:
    batch = model.collate(CLIPS)
    trace = model.trace(batch)
    assert trace.mask.sum(1).tolist() == [6, 3, 2]
    assert not trace.outputs.requires_grad
    again = nn.functional.cross_entropy(trace.outputs[trace.mask], trace.labels[trace.mask])
    torch.testing.assert_close(model.loss(batch).total.detach(), again)


def test_padding_changes_nothing(model: CodecLm) -> None:
    together = model.trace(model.collate(CLIPS))
    for row, each in enumerate(CLIPS):
        alone = model.trace(model.collate([each]))
        units = alone.outputs.shape[1]
        torch.testing.assert_close(
            together.outputs[row, :units], alone.outputs[0], atol=1e-5, rtol=0
        )
    texts, voices = ["Hi.", "A longer text."], [model.layout.named(None)] * 2
    both = model.generate(texts, voices)
    for text, voice, codes in zip(texts, voices, both, strict=True):
        found = model.generate_units(text, voice)
        assert codes[:, : found.shape[1]].tolist() == found.tolist()


def test_the_contract_holds(model: CodecLm) -> None:
    report = check_alignment(model, CLIPS)
    assert report.ok, report.findings


def test_generation_is_bounded_by_the_text_and_the_context(model: CodecLm) -> None:
    calls: list[int] = []
    plain = model.network.generate

    def counted(**options: Any) -> Tensor:
        calls.append(options["generation_config"].max_new_tokens)
        return plain(**options)

    model.network.generate = counted
    model.generate_units("Hi.", model.layout.named(None))
    assert calls == [61]  # (2 s + 3 * 0.35 s) * 20
    model = CodecLm(llama(context=40), Bytes(), GREEDY)
    model.network.generate, plain = counted, model.network.generate
    model.generate_units("A longer text.", model.layout.named(None))
    assert calls[1] == 40 - 15


def test_speaks_piece_by_piece_and_repeats_itself(model: CodecLm) -> None:
    model.sampling = SamplingConfig(temperature=1.0, top_p=0.9)
    model.network.train()
    pieces = [p.samples for p in model.stream("One. And two.", voice="b", seed=3)]
    whole = model.speak("One. And two.", voice="b", seed=3)
    assert len(pieces) == 2
    assert whole.rate == RATE
    np.testing.assert_array_equal(np.concatenate(pieces), whole.samples)
    other = model.speak("One. And two.", voice="b", seed=4)
    assert other.samples.tolist() != whole.samples.tolist()
    assert model.network.training


def test_a_long_text_is_cut_to_fit_the_context() -> None:
    model = CodecLm(llama(context=80), Bytes(), GREEDY)
    text = "one two three four five six seven eight nine ten eleven twelve thirteen."
    assert len(list(model.stream(text))) == 2


def test_conditions_are_those_of_the_clips(model: CodecLm) -> None:
    assert model.condition(CLIPS)["voice"].tolist() == [257]
    with pytest.raises(SpeechModelError, match="a condition needs a clip"):
        model.condition([])
    with pytest.raises(SpeechModelError, match="nothing to collate"):
        model.collate([])


def test_a_clip_longer_than_the_context_is_refused() -> None:
    model = CodecLm(llama(context=40), Bytes(), GREEDY)
    audio = Audio(np.full(40 * HOP, 0.5, np.float32), RATE)
    example = Example(utterance=Utterance(id="a", audio="a.wav", text="Hi."), audio=audio)
    with pytest.raises(SpeechModelError, match="clip 'a' takes 45 positions and the model has 40"):
        model.encode(example)
    short = Example(utterance=example.utterance, audio=Audio(audio.samples[: 5 * HOP], RATE))
    assert model.encode(short)["codes"].tolist() == [[4] * 5]


def test_the_presets_are_modules_of_the_network(model: CodecLm) -> None:
    assert next(iter(model.targets)) == "attention"
    names = [name for name, _ in model.network.named_modules()]
    for suffixes in model.targets.values():
        assert all(any(name.endswith(suffix) for name in names) for suffix in suffixes)


@pytest.mark.parametrize("rows", [1, 6, 7, 20])
def test_cross_entropy_in_chunks(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(fused_loss, "LOGITS", 6 * 50)
    torch.manual_seed(0)
    head = nn.Linear(8, 50, bias=False)
    hidden = torch.randn(rows, 8, requires_grad=True)
    labels = torch.randint(50, (rows,))
    expected = nn.functional.cross_entropy(head(hidden), labels)
    wanted = torch.autograd.grad(expected, [hidden, head.weight])
    found = cross_entropy(head, hidden, labels)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, [hidden, head.weight]), wanted)


def test_no_more_logits_than_a_chunk_exist_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_loss, "LOGITS", 6 * 50)
    seen: list[int] = []
    head = nn.Linear(8, 50)
    head.register_forward_hook(lambda *args: seen.append(len(args[2])))
    cross_entropy(head, torch.randn(20, 8, requires_grad=True), torch.zeros(20).long()).backward()
    assert max(seen) == 6
    assert sum(seen) == 40  # once forward, once back


@pytest.mark.parametrize("rows", [1, 6, 7, 20])
@pytest.mark.parametrize("bias", [False, True])
def test_a_frozen_head_makes_its_logits_once(
    monkeypatch: pytest.MonkeyPatch, rows: int, bias: bool
) -> None:
    monkeypatch.setattr(fused_loss, "LOGITS", 6 * 50)
    seen: list[int] = []
    plain = fused_loss.linear

    def watched(hidden: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.append(len(hidden))
        return plain(hidden, *rest)

    monkeypatch.setattr(fused_loss, "linear", watched)
    torch.manual_seed(0)
    head = nn.Linear(8, 50, bias=bias).requires_grad_(False)
    hidden, labels = torch.randn(rows, 8, requires_grad=True), torch.randint(50, (rows,))
    expected = nn.functional.cross_entropy(head(hidden), labels)
    (wanted,) = torch.autograd.grad(3 * expected, hidden)
    found = cross_entropy(head, hidden, labels)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(3 * found, hidden)[0], wanted)
    assert (max(seen), sum(seen)) == (min(6, rows), rows)
    with torch.no_grad():
        torch.testing.assert_close(cross_entropy(head, hidden, labels), expected)


def test_a_head_that_is_watched_or_trained_is_not_fused() -> None:
    head = nn.Linear(8, 50)
    assert not fused_loss.fits(head)
    head.requires_grad_(False)
    assert fused_loss.fits(head)
    head.register_forward_hook(lambda *_: None)
    assert not fused_loss.fits(head)
    assert not fused_loss.fits(nn.Sequential(nn.Linear(8, 50).requires_grad_(False)))


def test_only_audio_positions_reach_the_head(model: CodecLm) -> None:
    seen: list[Any] = []
    model.network.lm_head.register_forward_hook(lambda *args: seen.append(args[2].shape))
    model.loss(model.collate(CLIPS))
    assert seen == [(6 + 3 + 2, VOCABULARY)]


def test_the_hash_is_that_of_the_files(tmp_path: Path) -> None:
    llama().save_pretrained(tmp_path)
    network = load_network(tmp_path)
    model = CodecLm(network, Bytes(), GREEDY, folder=tmp_path)
    first = model.weights_sha256
    with torch.no_grad():
        network.lm_head.weight.add_(1)
    assert CodecLm(network, Bytes(), GREEDY, folder=tmp_path).weights_sha256 == first
    network.save_pretrained(tmp_path)
    assert files_sha256(tmp_path) != first
    assert len(CodecLm(network, Bytes(), GREEDY).weights_sha256) == 64


def test_damaged_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match="holds no causal language model"):
        load_network(tmp_path)
    llama().save_pretrained(tmp_path)
    from safetensors.torch import load_file, save_file

    weights = tmp_path / "model.safetensors"
    tensors = load_file(weights)
    del tensors["model.norm.weight"]
    save_file(tensors, weights, {"format": "pt"})
    with pytest.raises(SpeechModelError, match=r"weights \['model.norm.weight'\] do not fit"):
        load_network(tmp_path)
    weights.write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(SpeechModelError, match="holds no causal language model"):
        load_network(tmp_path)
    weights.unlink()
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    with pytest.raises(SpeechModelError, match=r"it needs config\.json and model\.safetensors"):
        load_network(tmp_path)


def test_settings_are_strict(tmp_path: Path) -> None:
    assert read_settings(SamplingConfig, tmp_path, "toy") == SamplingConfig()
    write_settings(tmp_path, "toy", SamplingConfig(top_k=3))
    assert read_settings(SamplingConfig, tmp_path, "toy").top_k == 3
    with pytest.raises(SpeechModelError, match="is not of the family 'other'"):
        read_settings(SamplingConfig, tmp_path, "other")
    (tmp_path / "speech.json").write_text('{"family": "toy", "topk": 3}')
    with pytest.raises(SpeechModelError, match="unknown key 'topk'"):
        read_settings(SamplingConfig, tmp_path, "toy")
    (tmp_path / "speech.json").write_text("[]")
    with pytest.raises(SpeechModelError, match="must hold a JSON object, not list"):
        read_settings(SamplingConfig, tmp_path, "toy")
    (tmp_path / "speech.json").write_text("{")
    with pytest.raises(SpeechModelError, match="cannot be read"):
        read_settings(SamplingConfig, tmp_path, "toy")


def test_a_text_cannot_take_over_the_prompt() -> None:
    class Words:
        def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
            assert not add_special_tokens
            return {"input_ids": [9 if word == "<stop>" else 1 for word in text.split()]}

        def convert_ids_to_tokens(self, token: int) -> str:
            return {9: "<stop>"}[token]

    assert text_ids(Words(), "one two", lambda token: token == 9) == [1, 1]
    with pytest.raises(SpeechModelError, match="spells the control token '<stop>'"):
        text_ids(Words(), "one <stop> two", lambda token: token == 9)
    with pytest.raises(SpeechModelError, match="has no tokens"):
        text_ids(Words(), " ", lambda token: token == 9)
