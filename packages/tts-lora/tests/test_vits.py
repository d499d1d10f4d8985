"""VITS with the real classes at toy size: training that the library does not have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import VitsConfig, VitsModel, VitsTokenizer
from weighing import check_positions

from tts_lora.contract import check_alignment
from tts_lora.families import vits, vits_generator
from tts_lora.families.vits import Vits, load
from tts_lora.families.vits_generator import (
    LONGEST,
    divergence,
    log_likelihood,
    spectrogram,
    teach,
)
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.manifest import Utterance
from voice_data.speech import SpeechModelError

RATE, HOP, BINS = 8_000, 64, 129
TEXTS = ("ab cab", "dead", "face bed")


def _tokenizer(folder: Path) -> VitsTokenizer:
    import json

    letters = ["<pad>", *"abcdefghij ", "<unk>"]
    file = folder / "vocab.json"
    file.write_text(json.dumps({letter: index for index, letter in enumerate(letters)}))
    return VitsTokenizer(str(file), pad_token="<pad>", unk_token="<unk>", phonemize=False)


def _model(folder: Path, seed: int = 0, **changes: Any) -> Vits:
    torch.manual_seed(seed)
    settings = {
        "vocab_size": 13, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "ffn_dim": 24, "flow_size": 8, "spectrogram_bins": BINS, "upsample_rates": [8, 8],
        "upsample_kernel_sizes": [16, 16], "upsample_initial_channel": 32,
        "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3]],
        "duration_predictor_filter_channels": 16, "prior_encoder_num_flows": 2,
        "prior_encoder_num_wavenet_layers": 1, "posterior_encoder_num_wavenet_layers": 2,
        "use_stochastic_duration_prediction": False, "sampling_rate": RATE, "hidden_dropout": 0.0,
        "attention_dropout": 0.0, "activation_dropout": 0.0, "duration_predictor_dropout": 0.0,
        "depth_separable_num_layers": 1, "duration_predictor_num_flows": 2, "pad_token_id": 0,
    }  # fmt: skip
    network = VitsModel(VitsConfig(**{**settings, **changes})).eval()
    return Vits(network, _tokenizer(folder), mels=20)


def _example(index: int = 0, *, rate: int = RATE, seconds: float = 0.0, **changes: Any):
    time = np.arange(int(rate * (seconds or 0.3 + 0.1 * index))) / rate
    pitch = 150 + 100 * index + 400 * time
    sound = sum(np.sin(2 * np.pi * n * pitch * time) / n for n in range(1, 8))
    audio = Audio((0.2 * sound).astype(np.float32), rate)
    fields = {"id": f"c{index}", "audio": f"c{index}.wav", "text": TEXTS[index], **changes}
    return Example(utterance=Utterance(**fields), audio=audio)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vits")


@pytest.fixture(scope="module")
def model(folder) -> Vits:
    return _model(folder)


@pytest.fixture(scope="module")
def encoded(model):
    return [model.encode(_example(index)) for index in range(3)]


def _adapted(folder: Path, preset: str = "voice") -> Vits:
    from peft import LoraConfig, inject_adapter_in_model

    model = _model(folder)
    names = list(model.targets[preset])
    inject_adapter_in_model(LoraConfig(target_modules=names), model.network)
    return model


def test_encoding_has_the_shapes_it_says_and_is_deterministic(model, encoded) -> None:
    first = encoded[0]
    assert first["ids"].tolist()[1::2] == [1, 2, 11, 3, 1, 2]  # blanks between the letters
    assert first["samples"].shape == (2400 // HOP * HOP,)
    assert model.length(first) == 2400 // HOP
    again = model.encode(_example())
    assert all(torch.equal(again[key], first[key]) for key in first)
    assert model.condition(encoded) == {}


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (_example(rate=16_000), "16000 Hz and 8000 Hz"),
        (_example(seconds=0.1), "0.100 s"),
        (_example(text="ab" * 20), "81 tokens in 37 frames"),
        (_example(text="ÄÖ 12"), "no character that this checkpoint knows"),
    ],
)
def test_unusable_clips_are_refused(model, example, message) -> None:
    with pytest.raises(SpeechModelError, match=message):
        model.encode(example)


def test_the_spectrogram_has_a_frame_for_each_hop() -> None:
    time = torch.arange(10 * HOP) / RATE
    found = spectrogram(torch.sin(2 * torch.pi * 1000 * time)[None], BINS, HOP)
    assert found.shape == (1, BINS, 10)
    assert found[0, :, 5].argmax() == 1000 * 2 * (BINS - 1) // RATE


def test_likelihood_is_that_of_a_gaussian() -> None:
    torch.manual_seed(0)
    frames, means, logs = torch.randn(2, 8, 5), torch.randn(2, 3, 8), torch.randn(2, 3, 8) * 0.3
    found = log_likelihood(frames, means, logs)
    normal = torch.distributions.Normal(means[:, None], logs.exp()[:, None])
    expected = normal.log_prob(frames.transpose(1, 2)[:, :, None]).sum(-1)
    assert torch.allclose(found, expected, atol=1e-4)


def test_the_posterior_is_the_librarys(model, encoded) -> None:
    batch = model.collate(encoded[:1])
    heard, mask = model._heard(batch), batch["mask"][:, None].float()
    torch.manual_seed(5)
    drawn, _, logs = model.network.posterior_encoder(heard, mask)
    torch.manual_seed(5)
    latents = teach(model.network, batch, heard, noise=1.0)
    assert torch.allclose(latents.heard, drawn)
    assert torch.allclose(latents.log_deviation, logs)


def test_divergence_is_nothing_where_posterior_and_prior_agree(model, encoded) -> None:
    batch = model.collate(encoded)
    latents = teach(model.network, batch, model._heard(batch), noise=0.0)
    gap = latents.log_prior.exp()  # one deviation, whose half square cancels the constant
    same = replace(latents, log_deviation=latents.log_prior, flowed=latents.mean + gap)
    assert divergence(same, batch["mask"]).item() == pytest.approx(0.0, abs=1e-5)


def test_padding_changes_nothing(model, encoded) -> None:
    together = model.trace(model.collate(encoded))
    for row, clip in enumerate(encoded):
        alone = model.trace(model.collate([clip]))
        frames = model.length(clip)
        assert torch.equal(together.labels[row, :frames], alone.labels[0])
        assert torch.allclose(together.outputs[row, :frames], alone.outputs[0], atol=1e-4)


def test_each_share_of_the_loss_reaches_its_parts(model, encoded) -> None:
    wanted = {
        "kl": {"text_encoder", "flow", "posterior_encoder"},
        "duration": {"duration_predictor"},
        "mel": {"posterior_encoder", "decoder"},
    }
    torch.manual_seed(0)
    shares = model.shares(model.collate(encoded))
    for name, share in shares.items():
        model.network.zero_grad()
        share.backward(retain_graph=True)
        reached = {
            key.split(".")[0]
            for key, value in model.network.named_parameters()
            if value.grad is not None and bool(value.grad.any())
        }
        assert reached == wanted[name]
    model.network.zero_grad()


def test_traces_agree(model, encoded) -> None:
    batch = model.collate(encoded)
    loss, cached, uncached = (model.trace(batch, p) for p in ("loss", "cached", "uncached"))
    for other in (cached, uncached):
        assert torch.equal(loss.mask, other.mask)
        assert torch.equal(loss.labels, other.labels)
        assert torch.allclose(loss.outputs[loss.mask], other.outputs[loss.mask], atol=1e-4)
    for row, clip in enumerate(encoded):
        said = loss.labels[row, loss.mask[row]]
        assert (
            torch.unique_consecutive(said).tolist()
            == torch.unique_consecutive(clip["ids"]).tolist()
        )


def test_contract(folder, encoded) -> None:
    report = check_alignment(_adapted(folder), encoded)
    assert report.ok, report.findings
    assert {"q_proj", "conv_pre", "project"} <= set(report.groups)


def test_a_path_that_is_a_frame_late_is_found(folder, encoded, monkeypatch) -> None:
    search = vits_generator.monotonic_path

    def late(*arguments: Any) -> torch.Tensor:
        path = search(*arguments)
        return torch.cat([path[:, :1], path[:, :-1]], 1)

    taught = vits.teach

    def teach_late(*arguments: Any, **options: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(vits_generator, "monotonic_path", late)
            return taught(*arguments, **options)

    model = _adapted(folder)
    genuine = model.trace

    def trace(batch: Any, path: Any = "loss") -> Any:
        with monkeypatch.context() as patched:
            if path == "loss":
                patched.setattr(vits, "teach", teach_late)
            return genuine(batch, path)

    monkeypatch.setattr(model, "trace", trace)
    findings = check_alignment(model, encoded).findings
    assert any("labels differ" in finding for finding in findings)
    assert any("outputs differ" in finding for finding in findings)


def test_the_hash_is_the_bases_under_adapters(folder, model) -> None:
    assert _adapted(folder, "text").weights_sha256 == model.weights_sha256


def test_clips_are_memorised_and_spoken_again(folder, encoded) -> None:
    """To the frame count within a tenth, and mels at half the distance that they had before."""
    model = _model(folder)
    clips = encoded[:2]
    batch = model.collate(clips)
    before = _distance(model, clips)
    optimizer = torch.optim.Adam(model.network.parameters(), 1e-2)
    torch.manual_seed(0)
    for _ in range(80):
        optimizer.zero_grad()
        model.loss(batch).total.backward()
        optimizer.step()
    after = _distance(model, clips)
    assert after < 0.5 * before


def _distance(model: Vits, clips: list) -> float:
    distances = []
    for text, clip in zip(TEXTS, clips, strict=False):
        said = torch.from_numpy(model.speak(text, seed=0).samples)[None]
        found, true = model.log_mel(said), model.log_mel(clip["samples"][None])
        shared = min(found.shape[2], true.shape[2])
        distances.append(float((found[..., :shared] - true[..., :shared]).abs().mean()))
    return sum(distances) / len(distances)


def test_speech_is_bounded_repeatable_and_streams(folder, model) -> None:
    sound = model.speak("ab cab. dead.", seed=1)
    assert sound.rate == RATE
    assert np.array_equal(sound.samples, model.speak("ab cab. dead.", seed=1).samples)
    pieces = list(model.stream("ab cab. dead.", seed=1))
    assert len(pieces) == 2
    assert np.array_equal(np.concatenate([p.samples for p in pieces]), sound.samples)
    endless = _model(folder)
    with torch.no_grad():
        endless.network.duration_predictor.proj.bias.fill_(50.0)
    tokens = len(endless._ids("ab"))
    assert len(endless.speak("ab", seed=0).samples) == tokens * LONGEST * HOP
    with pytest.raises(SpeechModelError, match="no speaker 'anna'"):
        model.speak("ab", voice="anna")


def test_many_speakers_and_stochastic_durations(folder) -> None:
    model = _model(
        folder, num_speakers=3, speaker_embedding_size=4, use_stochastic_duration_prediction=True
    )
    clips = [model.encode(_example(index, extra={"speaker_id": index})) for index in range(2)]
    assert int(model.condition(clips[1:])["speaker"]) == 1
    torch.manual_seed(0)
    loss = model.loss(model.collate(clips))
    assert torch.isfinite(loss.total)
    loss.total.backward()
    assert model.network.embed_speaker.weight.grad[:2].abs().sum() > 0
    batch = model.collate(clips)
    traces = [model.trace(batch, path) for path in ("loss", "cached")]
    assert torch.equal(traces[0].labels, traces[1].labels)
    assert torch.allclose(*(t.outputs[t.mask] for t in traces), atol=1e-4)
    voices = ["2", model.condition(clips), None]
    sounds = [model.speak("ab", voice=voice, seed=1).samples for voice in voices]
    assert np.array_equal(sounds[1], sounds[2])
    assert not (len(sounds[0]) == len(sounds[1]) and np.allclose(sounds[0], sounds[1]))
    with pytest.raises(SpeechModelError, match="no speaker 7: this checkpoint has 0 to 2"):
        model.encode(_example(extra={"speaker_id": 7}))


def test_saved_is_loaded(model, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert again.weights_sha256 == model.weights_sha256
    sounds = [each.speak("ab cab", seed=1).samples for each in (again, model)]
    assert np.allclose(*sounds, atol=1e-4)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match="is no VITS checkpoint"):
        load(str(tmp_path))


def test_the_loss_counts_frames(model, encoded) -> None:
    check_positions(model, encoded, [model.length(clip) for clip in encoded])
