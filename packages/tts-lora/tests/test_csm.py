"""CSM at toy size, with transformers' own classes: its loss, its generation and its processor are
the references.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from weighing import check_positions

from tts_lora.contract import check_alignment
from tts_lora.families import csm, csm_frames
from tts_lora.families.csm import Csm, load
from tts_lora.families.sampling import GREEDY, SamplingConfig
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.manifest import Utterance
from voice_data.speech import SpeechModelError

RATE, BOOKS = 24_000, 4
SPECIAL = ("<bos>", "<eos>", "<|AUDIO|>", "<|audio_eos|>", "<pad>", "<unk>")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789[] .,!?'-"
TEXTS = ("One two.", "Three!", "Four five six.", "Seven?")


def tokenizer() -> Any:
    """A token per letter, with CSM's own special ones."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate((*SPECIAL, *LETTERS))}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>",
        unk_token="<unk>", additional_special_tokens=["<|AUDIO|>", "<|audio_eos|>"],
    )  # fmt: skip


def network(seed: int = 0) -> Any:
    """All of CSM, codec included, in a tenth of a second."""
    from transformers import CsmConfig, CsmForConditionalGeneration, MimiConfig

    codec = MimiConfig(
        hidden_size=16, num_filters=4, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, head_dim=8, intermediate_size=32, codebook_size=32, codebook_dim=8,
        vector_quantization_hidden_dimension=8, num_quantizers=BOOKS, upsample_groups=16,
    )  # fmt: skip
    config = CsmConfig(
        num_codebooks=BOOKS, vocab_size=35, text_vocab_size=len(SPECIAL) + len(LETTERS),
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=1024, bos_token_id=0, pad_token_id=4,
        codebook_pad_token_id=34, codebook_eos_token_id=0, audio_token_id=2, audio_eos_token_id=3,
        depth_decoder_config={
            "num_codebooks": BOOKS, "backbone_hidden_size": 32, "vocab_size": 35, "hidden_size": 16,
            "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "num_key_value_heads": 2, "max_position_embeddings": BOOKS + 1,
        },
        codec_config=codec.to_dict(),
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CsmForConditionalGeneration(config).eval()
        for parameter in model.parameters():  # far from ties, so that the likeliest code is clear
            parameter.data.add_(0.05 * torch.randn_like(parameter))
        for name, values in model.codec_model.named_buffers():
            if name.endswith("embed_sum"):  # zero until a codec is trained: all codes sound alike
                values.normal_()
    return model


def example(text: str, seconds: float = 1.0, speaker: str = "ada", rate: int = RATE) -> Example:
    """Noise, so that its codes vary."""
    random = np.random.default_rng(len(text))
    samples = random.normal(0, 0.3, int(seconds * rate)).clip(-1, 1).astype(np.float32)
    utterance = Utterance(id=text[:3].strip(), audio="a.wav", text=text, speaker=speaker)
    return Example(utterance=utterance, audio=Audio(samples, rate))


def turn(model: Csm, text: str, frames: int, role: int = 0) -> dict[str, torch.Tensor]:
    """A clip with given codes, as `encode` returns it."""
    generator = torch.Generator().manual_seed(frames)
    codes = torch.randint(1, 32, (frames, BOOKS), generator=generator)
    return {**model.encode(example(text, speaker=str(role))), "codes": codes}


def trainable(model: Csm, preset: str = "attention") -> Csm:
    """What an adapter would train, and nothing else."""
    model.network.requires_grad_(False)
    for name, module in model.network.named_modules():
        if name.endswith(model.targets[preset]):
            module.requires_grad_(True)
    return model


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Csm:
    """One's own, to change; what it says ends soon."""
    monkeypatch.setattr(csm, "SECONDS_PER_TOKEN", 0.0)
    monkeypatch.setattr(csm, "SECONDS_AT_LEAST", 1.2)
    return Csm(network(), tokenizer())


def test_a_clip_becomes_a_turn(model: Csm) -> None:
    encoded = model.encode(example("Hi 2.", 1.0, speaker="3"))
    assert tokenizer().decode(encoded["text"]).replace(" ", "") == "<bos>[3]Hitwo.<eos>"
    assert encoded["codes"].shape == (13, BOOKS)  # 12.5 Hz, the last frame is begun
    assert len(encoded["codes"].unique()) > 4
    assert encoded["role"].tolist() == [3]
    assert model.encode(example("Hi.", speaker="ada"))["role"].tolist() == [0]
    assert model.length(encoded) == len(encoded["text"]) + 14
    assert model.sample_rate == RATE
    assert model.context == 1024


def test_layout_and_loss_are_those_of_transformers(model: Csm) -> None:
    from transformers import CsmProcessor, EncodecFeatureExtractor

    extractor = EncodecFeatureExtractor(feature_size=1, sampling_rate=RATE)
    processor = CsmProcessor(extractor, tokenizer())
    clips = [example("One two.", 1.0), example("Three four five!", 0.7)]
    texts = [f"<bos>[0]{clip.utterance.text}<eos><|AUDIO|><|audio_eos|>" for clip in clips]
    whole = Csm(network(), tokenizer(), depth_share=1.0)
    for clip, text in zip(clips, texts, strict=True):
        inputs = processor(text, [clip.audio.samples], output_labels=True)
        batch = whole.collate([whole.encode(clip)])
        ids = torch.where(batch["spoken"][0], 2, batch["tokens"][0])
        ids[-1] = 3  # the frame that ends it
        assert ids.tolist() == inputs["input_ids"][0].tolist()
        with torch.no_grad():
            reference = network()(**inputs)
            loss = whole.loss(batch)
        assert loss.parts["backbone"] == pytest.approx(float(reference.backbone_loss), abs=1e-5)
        assert loss.parts["depth"] == pytest.approx(float(reference.depth_decoder_loss), abs=1e-5)
        assert float(loss.total) == pytest.approx(float(reference.loss), abs=1e-5)


def test_greedy_generation_is_that_of_transformers(model: Csm) -> None:
    ids = model.encode(example("Hi."))["text"]
    found = model.generate_units("Hi.")
    reference = network()
    reference.generation_config.pad_token_id = 4
    with torch.no_grad():
        codes = reference.generate(
            input_ids=ids[None], attention_mask=torch.ones_like(ids)[None], do_sample=False,
            depth_decoder_do_sample=False, max_new_tokens=6, suppress_tokens=[32, 33, 34],
            depth_decoder_suppress_tokens=[32, 33, 34],
        )  # fmt: skip
    assert found[:6].tolist() == codes[0].tolist()[: len(found)]
    assert len(found) >= 6


def test_padding_does_not_change_the_loss(model: Csm) -> None:
    rows = [turn(model, "One two three.", 9), turn(model, "Four.", 4)]
    with torch.no_grad():
        both = model.loss(model.collate(rows)).parts["backbone"]
        alone = [model.loss(model.collate([row])).parts["backbone"] for row in rows]
    assert both == pytest.approx((alone[0] * 10 + alone[1] * 5) / 15, rel=1e-5)


def test_training_is_aligned_with_generation(model: Csm) -> None:
    rows = [turn(model, "One two three.", 9), turn(model, "Four.", 4, role=2)]
    report = check_alignment(trainable(model), rows)
    assert report.findings == ()
    assert set(report.terms) == {"total", "backbone", "depth"}
    assert set(report.groups) == {"q_proj", "k_proj", "v_proj", "o_proj"}
    batch = model.collate(rows, [turn(model, "Before.", 5)] * 2)
    traces = [model.trace(batch, path) for path in ("loss", "cached", "uncached")]
    assert traces[0].labels[0, :9].equal(rows[0]["codes"])
    assert traces[0].labels[1, 4].tolist() == [0] * BOOKS
    for trace in traces[1:]:
        assert trace.mask.equal(traces[0].mask)
        assert trace.labels[trace.mask].equal(traces[0].labels[trace.mask])
        torch.testing.assert_close(
            trace.outputs[trace.mask], traces[0].outputs[trace.mask], atol=1e-5, rtol=0
        )


def test_a_planted_double_shift_is_found(model: Csm, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [turn(model, "One two three.", 9), turn(model, "Four.", 4)]

    def shifted(*arguments: Any) -> csm_frames.Taught:
        taught = teach(*arguments)
        return taught._replace(codes=taught.codes.roll(-1, 1))

    teach = csm.teach
    monkeypatch.setattr(csm, "teach", shifted)
    report = check_alignment(trainable(model), rows)
    for path in ("cached", "uncached"):
        assert any(path in found and "shifted twice" in found for found in report.findings)


def test_both_heads_reach_what_they_should(model: Csm) -> None:
    model.network.requires_grad_(True)
    batch = model.collate([turn(model, "One two three.", 9)])
    loss, terms = model.loss(batch), model.terms(batch)
    assert loss.parts == {name: float(value.detach()) for name, value in terms.items()}
    parameters = dict(model.network.named_parameters())
    assert not any("codec" in name for name in parameters)
    for term, unreached in (("backbone", {"depth_decoder"}), ("depth", {"lm_head"})):
        grads = torch.autograd.grad(
            terms[term], list(parameters.values()), retain_graph=True, allow_unused=True
        )
        missed = {
            name.split(".")[0]
            for name, grad in zip(parameters, grads, strict=True)
            if grad is None or not grad.any()
        }
        assert missed == unreached


def test_as_many_frames_as_codebooks(model: Csm) -> None:
    """transformers' causal mask fails there: it takes one row of positions for a batch."""
    taught = csm_frames.teach(model.network, model.collate([turn(model, "One.", BOOKS)]))
    states, codes = taught.states[0, :BOOKS], taught.codes[0, :BOOKS]
    four = csm_frames.depth_logits(model.network, states, codes)
    three = csm_frames.depth_logits(model.network, states[:3], codes[:3])
    torch.testing.assert_close(four[:3], three)


@pytest.mark.parametrize("preset", ["attention", "all", "mlp"])
def test_presets_reach_both_transformers_and_no_codec(model: Csm, preset: str) -> None:
    names = [name for name, _ in model.network.named_modules()]
    for suffix in model.targets[preset]:
        hit = {name.split(".")[0] for name in names if name.endswith(f".{suffix}")}
        assert hit == {"backbone_model", "depth_decoder"}


def test_the_depth_decoder_trains_on_a_share(model: Csm) -> None:
    frames = torch.tensor([400, 200])
    torch.manual_seed(0)
    first = csm_frames.picked(frames, csm.DEPTH_SHARE, True)
    second = csm_frames.picked(frames, csm.DEPTH_SHARE, True)
    assert not first.equal(second)
    assert first[0].float().mean() == pytest.approx(csm.DEPTH_SHARE, rel=0.5)
    fixed = csm_frames.picked(frames, csm.DEPTH_SHARE, False)
    assert fixed[0].nonzero()[:, 0].tolist() == [*range(0, 400, 16), 399]
    for chosen in (first, second, fixed):
        assert chosen[0, 399]
        assert chosen[1, 199]


def test_four_clips_are_learnt_and_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csm, "SECONDS_PER_TOKEN", 0.0)
    model = Csm(network(1), tokenizer(), depth_share=0.5)
    rows = [turn(model, text, 4 + i) for i, text in enumerate(TEXTS)]
    batch = model.collate(rows)
    model.network.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(model.network.parameters(), lr=5e-3)
    torch.manual_seed(0)
    for _ in range(150):
        loss = model.loss(batch)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    for text, row in zip(TEXTS, rows, strict=True):
        assert model.generate_units(text).equal(row["codes"]), text


def test_saved_and_loaded_is_the_same(model: Csm, tmp_path: Path) -> None:
    row = turn(model, "One two.", 5)
    model.save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert again.weights_sha256 == model.weights_sha256
    assert again.weights_sha256 != Csm(network(2), tokenizer()).weights_sha256
    with torch.no_grad():
        values = [float(each.loss(each.collate([row])).total) for each in (model, again)]
    assert values[0] == values[1]
    clip = example("Hi.")
    assert again.encode(clip)["codes"].equal(model.encode(clip)["codes"])


def test_speaks_in_pieces_that_make_the_whole(model: Csm, monkeypatch: pytest.MonkeyPatch) -> None:
    model.sampling = SamplingConfig(temperature=20.0)  # the toy's logits are far apart
    pieces = list(model.stream("Hi. Ho.", seed=1))
    whole = model.speak("Hi. Ho.", seed=1)
    assert len(pieces) == 4  # a second, and the rest, of each sentence
    np.testing.assert_array_equal(np.concatenate([p.samples for p in pieces]), whole.samples)
    assert (
        model.speak("Hi.", seed=2).samples.tolist() != model.speak("Hi.", seed=3).samples.tolist()
    )
    said = model.generate_units("Hi.")[None].transpose(1, 2)
    with torch.no_grad():
        at_once = model.codec.decode(said).audio_values[0, 0].numpy()
    model.sampling = GREEDY
    np.testing.assert_allclose(model.speak("Hi.").samples, at_once, rtol=1e-4, atol=1e-2)


def test_the_condition_is_a_turn_before(model: Csm) -> None:
    rows = [turn(model, "One.", 20, 3), turn(model, "Two.", 100, 3), turn(model, "Six.", 200, 3)]
    voice = model.condition(rows)
    assert len(voice["codes"]) == 100  # the longest of those up to ten seconds
    assert len(model.condition(rows[2:])["codes"]) == 200
    batch = model.collate(rows[:1], [voice])
    assert batch["start"].tolist() == [len(voice["text"]) + 101 + len(rows[0]["text"])]
    told, alone = model.generate_units("Hi.", voice), model.generate_units("Hi.", role=3)
    assert told.shape != alone.shape or not told.equal(alone)


def test_a_model_that_ends_at_once_is_silent(
    model: Csm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(csm, "draw", lambda *_, **__: 0)
    assert model.generate_units("Hi.").shape == (0, BOOKS)
    assert not model.speak("Hi.").samples.any()
    assert "ended at once" in caplog.text


def test_speech_is_bounded(
    model: Csm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(csm, "draw", lambda *_, **__: 7)
    monkeypatch.setattr(csm, "SECONDS_PER_TOKEN", 0.1)
    length = len(model.encode(example("Hi."))["text"])
    assert len(model.generate_units("Hi.")) == round((1.2 + 0.1 * length) * 12.5)
    assert "did not end by itself" in caplog.text


def test_refusals(model: Csm, tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match="has 16000 Hz and 24000 Hz are wanted"):
        model.encode(example("Hi", rate=16_000))
    with pytest.raises(SpeechModelError, match="and CSM takes 1024: segment it"):
        model.encode(example("Hi " * 500))
    with pytest.raises(SpeechModelError, match="nothing to collate"):
        model.collate([])
    with pytest.raises(SpeechModelError, match="a condition needs a clip"):
        model.condition([])
    with pytest.raises(SpeechModelError, match="choose a shorter condition"):
        model.collate([turn(model, "One.", 20)], [turn(model, "Two.", 1000)])
    with pytest.raises(SpeechModelError, match="speech included: shorten either"):
        model.speak("Hi.", voice=turn(model, "Two.", 1010))
    with pytest.raises(SpeechModelError, match="numbers such as '0', and not 'ada'"):
        model.speak("Hi.", voice="ada")
    with pytest.raises(ValueError, match="depth_share must be above 0 and at most 1, not 0"):
        Csm(network(), tokenizer(), depth_share=0)
    with pytest.raises(SpeechModelError, match="is no CSM checkpoint"):
        load(str(tmp_path))


def test_the_loss_counts_frames_with_the_last(model: Csm) -> None:
    rows = [turn(model, "One two three.", 9), turn(model, "Four.", 4)]
    check_positions(model, rows, (10, 5), "backbone")
