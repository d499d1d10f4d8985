"""FastSpeech 2 with the real classes at toy size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    FastSpeech2ConformerConfig,
    FastSpeech2ConformerHifiGan,
    FastSpeech2ConformerHifiGanConfig,
    FastSpeech2ConformerModel,
)
from weighing import check_positions

from tts_lora.contract import check_alignment
from tts_lora.families import fastspeech2
from tts_lora.families.conformer import LONGEST, infer, rows, teach
from tts_lora.families.fastspeech2 import FastSpeech2, load
from tts_lora.families.phonemes import Phonemes
from tts_lora.families.prosody import Prosody, _fundamental, even_durations, read_scales
from tts_lora.families.weights import frozen_statistics
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.manifest import Utterance
from voice_data.speech import SpeechModelError

MELS = 8
NAMES = ("<blank>", "<sos/eos>", "AA1", "B", "K", "T", "S", "IY0")
WORDS = ("K AA1 T", "B IY0", "S T AA1 B S")


def _model(seed: int = 0, **changes: Any) -> FastSpeech2:
    torch.manual_seed(seed)
    small = {
        f"{part}_{name}": 0.0
        for part in ("encoder", "decoder")
        for name in ("dropout_rate", "positional_dropout_rate", "attention_dropout_rate")
    }
    config = FastSpeech2ConformerConfig(
        hidden_size=16, vocab_size=len(NAMES), num_mel_bins=MELS, encoder_layers=1,
        decoder_layers=1, encoder_linear_units=24, decoder_linear_units=24, encoder_kernel_size=3,
        decoder_kernel_size=5, speech_decoder_postnet_layers=2, speech_decoder_postnet_units=12,
        speech_decoder_postnet_dropout=0.0, duration_predictor_channels=12,
        duration_predictor_dropout_rate=0.0, pitch_predictor_channels=12, pitch_predictor_layers=2,
        pitch_predictor_dropout=0.0, energy_predictor_channels=12, energy_predictor_dropout=0.0,
        **small, **changes,
    )  # fmt: skip
    voice = FastSpeech2ConformerHifiGanConfig(
        model_in_dim=MELS, upsample_initial_channel=16, upsample_rates=[8, 8, 4],
        upsample_kernel_sizes=[16, 16, 8], resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
    )  # fmt: skip
    network = FastSpeech2ConformerModel(config).eval()
    vocoder = FastSpeech2ConformerHifiGan(voice).eval()
    phonemes = Phonemes({name: index for index, name in enumerate(NAMES)})
    return FastSpeech2(network, phonemes, vocoder)


def _example(index: int = 0, *, rate: int = 22_050, seconds: float = 0.0, **extra: Any):
    time = np.arange(int(rate * (seconds or 0.25 + 0.1 * index))) / rate
    pitch = 150 + 60 * index + 150 * time
    sound = sum(np.sin(2 * np.pi * n * pitch * time) / n for n in range(1, 12))
    audio = Audio((0.2 * sound * np.hanning(len(time))).astype(np.float32), rate)
    extra = {"phonemes": WORDS[index], **extra}
    utterance = Utterance(id=f"c{index}", audio=f"c{index}.wav", text="a word", extra=extra)
    return Example(utterance=utterance, audio=audio)


@pytest.fixture(scope="module")
def model() -> FastSpeech2:
    return _model()


@pytest.fixture(scope="module")
def encoded(model):
    return [model.encode(_example(index)) for index in range(3)]


def _adapted() -> FastSpeech2:
    from peft import LoraConfig, inject_adapter_in_model

    model = _model()
    names = list(model.targets["all"])
    inject_adapter_in_model(LoraConfig(target_modules=names), model.network)
    return model


def test_encoding_has_the_shapes_it_says_and_is_deterministic(model, encoded) -> None:
    first = encoded[0]
    assert first["ids"].tolist() == [4, 2, 5, 1]
    frames = len(_example().audio.samples) // 256 + 1
    assert first["mel"].shape == (frames, MELS)
    assert int(first["durations"].sum()) == frames == model.length(first)
    assert first["pitch"].shape == first["energy"].shape == (4, 1)
    again = model.encode(_example())
    assert all(torch.equal(again[key], first[key]) for key in first)
    assert model.condition(encoded) == {}


def test_pitch_and_energy_follow_the_sound() -> None:
    time = np.arange(22_050) / 22_050
    low, high = (np.sin(2 * np.pi * f * time[:11_025]) for f in (120.0, 300.0))
    sound = np.concatenate([0.1 * low, 0.6 * high]).astype(np.float32)
    durations = torch.tensor([43, 44])
    plain = Prosody(mels=MELS)
    pitch, energy = plain.pitch(sound, durations), plain.energy(sound, durations)
    assert pitch[0, 0] < -0.8 < 0.8 < pitch[1, 0]
    assert energy[0, 0] < -0.8 < 0.8 < energy[1, 0]


@pytest.mark.parametrize("hertz", [70.0, 110.0, 220.0, 410.0])
def test_the_fundamental_is_found_and_noise_has_none(hertz: float) -> None:
    time = np.arange(11_025) / 22_050
    voice = sum(np.sin(2 * np.pi * n * hertz * time + n) / n for n in range(1, 8))
    found, doubt = _fundamental((0.2 * voice).astype(np.float32))
    inner = slice(4, -4)
    assert torch.allclose(found[inner], torch.tensor(hertz), rtol=0.02)
    assert float(doubt[inner].max()) < 0.1
    noise = np.random.default_rng(0).standard_normal(11_025).astype(np.float32)
    assert float(_fundamental(noise)[1].median()) > 0.5


def test_scales_of_the_corpus_are_read_and_used(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "feats_stats.npz",
        count=4,
        sum=np.full(MELS, -8.0),
        sum_square=np.full(MELS, 80.0),
    )
    np.savez(
        tmp_path / "pitch_stats.npz", count=2, sum=np.array([10.0]), sum_square=np.array([58.0])
    )
    scales = read_scales(tmp_path)
    sound = _example().audio.samples
    raw = Prosody(mels=MELS).mel(sound)
    assert torch.allclose(Prosody(mels=MELS, scales=scales).mel(sound), (raw + 2) / 4, atol=1e-5)
    durations = torch.tensor([len(raw)])
    pitch = Prosody(mels=MELS, scales=scales).pitch(sound, durations)
    hertz = float((pitch * 2 + 5).exp())
    assert 150 < hertz < 230
    np.savez(tmp_path / "energy_stats.npz", other=1)
    with pytest.raises(SpeechModelError, match="holds no count, sum and sum_square"):
        read_scales(tmp_path)


def test_even_durations_give_silence_to_the_ends() -> None:
    mel = torch.full((20, MELS), -9.0)
    mel[4:16] = -1.0
    assert even_durations(mel, 3).tolist() == [8, 4, 8]
    assert even_durations(mel[:5], 5).tolist() == [1] * 5
    with pytest.raises(SpeechModelError, match="2 frames are too few for 3 tokens"):
        even_durations(mel[:2], 3)


def test_given_durations_are_taken_and_rounded_to_the_clip(model) -> None:
    frames = len(model.encode(_example())["mel"])
    encoded = model.encode(_example(durations=[2, frames - 9, 3, 3]))
    assert encoded["durations"].tolist() == [2, frames - 8, 3, 3]


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (_example(rate=16_000), "16000 Hz and 22050 Hz"),
        (_example(seconds=0.1), "0.100 s"),
        (_example(phonemes="K QQ"), "unknown phonemes QQ"),
        (_example(durations=[1, 1, 1, 1]), "align it again"),
        (_example(durations=[22, 0]), "2 durations of 22 frames for 4 tokens"),
        (_example(durations="x"), "must be a list of numbers"),
    ],
)
def test_unusable_clips_are_refused(model, example, message) -> None:
    with pytest.raises(SpeechModelError, match=message):
        model.encode(example)


def test_plain_text_needs_a_reader(model) -> None:
    with pytest.raises(SpeechModelError, match="pip install g2p-en, or write phonemes"):
        model.speak("Hello there.")
    reader = Phonemes(model._phonemes.vocabulary, lambda text: {"input_ids": [len(text), 1]})
    assert reader.ids("abc") == [3, 1]


def test_loss_is_the_librarys(encoded) -> None:
    """On one clip in training mode, but for the statistics, which the library would move."""
    model = _model()
    batch = model.collate(encoded[:1])
    model.network.train()
    with frozen_statistics(model.network):
        library = model.network(
            batch["ids"],
            spectrogram_labels=batch["mel"],
            duration_labels=batch["durations"],
            pitch_labels=batch["pitch"],
            energy_labels=batch["energy"],
            return_dict=True,
        ).loss
    loss = model.loss(batch)
    assert loss.total.item() == pytest.approx(library.item(), rel=1e-5)
    assert set(loss.parts) == {"mel", "mel_refined", "duration", "pitch", "energy"}


def test_speaking_is_the_librarys_inference(model) -> None:
    ids = torch.tensor([model._ids("{K AA1 T}")])
    with torch.no_grad():
        library = model.network(ids, return_dict=True)
    assert int(library.duration_outputs.max()) < LONGEST
    assert torch.equal(model.mel("{K AA1 T}"), library.spectrogram[0])


def test_padding_changes_nothing(model, encoded) -> None:
    together = model.trace(model.collate(encoded))
    for row, clip in enumerate(encoded):
        alone = model.trace(model.collate([clip]))
        frames = len(clip["mel"])
        assert torch.allclose(together.outputs[row, :frames], alone.outputs[0], atol=1e-5)


def test_traces_agree(model, encoded) -> None:
    batch = model.collate(encoded)
    loss, cached, uncached = (model.trace(batch, p) for p in ("loss", "cached", "uncached"))
    for other in (cached, uncached):
        assert torch.equal(loss.mask, other.mask)
        assert torch.equal(loss.labels, other.labels)
        assert torch.allclose(loss.outputs[loss.mask], other.outputs[loss.mask], atol=1e-5)
    error = (loss.outputs - loss.labels)[loss.mask].abs().mean().item()
    assert error == pytest.approx(model.loss(batch).parts["mel_refined"], rel=1e-5)


def test_contract(encoded) -> None:
    report = check_alignment(_adapted(), encoded)
    assert report.ok, report.findings
    assert set(report.terms) == {"total", "mel", "mel_refined", "duration", "pitch", "energy"}
    assert "linear_q" in report.groups


def test_durations_shifted_by_a_token_are_found(encoded, monkeypatch) -> None:
    def shifted(network: Any, row: Any):
        return teach(network, {**row, "durations": row["durations"].roll(1)})

    monkeypatch.setattr(fastspeech2, "teach", shifted)
    findings = check_alignment(_adapted(), encoded).findings
    assert any("outputs differ" in finding for finding in findings)


def test_training_leaves_the_statistics_of_the_base_alone(encoded) -> None:
    model = _adapted()
    before = model.weights_sha256
    assert before == _model().weights_sha256
    model.network.train()
    model.loss(model.collate(encoded)).total.backward()
    del model.__dict__["weights_sha256"]
    assert model.weights_sha256 == before


def test_clips_are_memorised_and_spoken_again(encoded) -> None:
    """To 0.15 in log10 units, half as far as from the other clip, and to a frame in length."""
    model, clips = _model(), encoded[1:]
    batch = model.collate(clips)
    optimizer = torch.optim.Adam(model.network.parameters(), 2e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, 160)
    for _ in range(160):
        optimizer.zero_grad()
        model.loss(batch).total.backward()
        optimizer.step()
        plan.step()
    for word, own, other in zip(WORDS[1:], clips, reversed(clips), strict=True):
        mel = model.mel(f"{{{word}}}")
        assert abs(len(mel) - len(own["mel"])) <= 1
        shared = min(len(mel), len(own["mel"]), len(other["mel"]))
        error = (mel[:shared] - own["mel"][:shared]).abs().mean()
        assert error < 0.15
        assert (mel[:shared] - other["mel"][:shared]).abs().mean() > 2 * error


def test_speech_is_bounded_repeatable_and_streams(model) -> None:
    text = "{K AA1 T} {B IY0}"
    sound = model.speak(text)
    assert sound.rate == 22_050
    assert np.array_equal(sound.samples, model.speak(text).samples)
    pieces = list(model.stream(text))
    assert len(pieces) == 2
    assert np.array_equal(np.concatenate([p.samples for p in pieces]), sound.samples)
    endless = _model()
    with torch.no_grad():
        endless.network.duration_predictor.linear.bias.fill_(20.0)
    assert len(endless.mel("{K B}")) == 3 * LONGEST
    with pytest.raises(SpeechModelError, match="knows no voice by name"):
        model.speak(text, voice="anna")


def test_a_network_of_many_speakers_is_told_which() -> None:
    model = _model(speaker_embed_dim=6)
    with pytest.raises(SpeechModelError, match="needs extra"):
        model.encode(_example())
    clips = [
        model.encode(_example(index, speaker_embedding=[float(index + n) for n in range(6)]))
        for index in range(2)
    ]
    voice = model.condition(clips)
    assert voice["speaker"].tolist() == [n + 0.5 for n in range(6)]
    first = next(iter(rows(model.collate(clips[:1]))))
    own = teach(model.network, first).after
    with torch.no_grad():
        assert torch.allclose(own, infer(model.network, first), atol=1e-5)
        other = next(iter(rows(model.collate(clips[:1], [voice]))))
        assert not torch.allclose(own, infer(model.network, other), atol=1e-3)
    with pytest.raises(SpeechModelError, match="with a voice only"):
        model.mel("{K}")
    assert model.mel("{K}", voice).shape[1] == MELS


def test_saved_is_loaded(model, tmp_path: Path, monkeypatch) -> None:
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "vocab.json").read_text())["AA1"] == 2
    again = load(str(tmp_path))
    assert again.weights_sha256 == model.weights_sha256
    assert torch.allclose(again.mel("{K AA1 T}"), model.mel("{K AA1 T}"), atol=1e-5)
    assert len(again.speak("{K AA1 T}").samples) == len(model.speak("{K AA1 T}").samples)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match="is no FastSpeech 2 checkpoint"):
        load(str(tmp_path))


def test_the_loss_counts_frames(model, encoded) -> None:
    check_positions(model, encoded, [len(clip["mel"]) for clip in encoded], "mel")


def test_phonemes_are_a_list_or_a_string(model) -> None:
    with pytest.raises(SpeechModelError, match=r"extra\['phonemes'\] must be a list or a string"):
        model.encode(_example(phonemes=7))
