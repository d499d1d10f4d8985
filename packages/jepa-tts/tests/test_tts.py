"""Speaking: one sentence or many, with any voice, the same every time; and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jepa_tts.config import LENGTH_SLACK
from jepa_tts.prompt import VoiceError
from jepa_tts.script import LONGEST_SENTENCE, sentences
from jepa_tts.tts import JepaTTS
from voice_data.audio import Audio, AudioError
from voice_data.text import TextError

RATE = 24_000


def buzz(seconds: float, rate: int = RATE, level: float = 0.3) -> Audio:
    """A tone with harmonics."""
    times = np.arange(int(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 12))
    return Audio((level * wave / np.abs(wave).max()).astype(np.float32), rate)


def test_equal_seeds_give_equal_samples(tts: JepaTTS) -> None:
    first, again = (tts.speak("A kettle.", voice="ada", seed=3) for _ in range(2))
    assert first.rate == RATE
    assert first.duration > 0.2
    np.testing.assert_array_equal(first.samples, again.samples)
    other = tts.speak("A kettle.", voice="ada", seed=4)
    assert np.abs(other.samples - first.samples).max() > 1e-4


def test_stream_joined_is_speak(tts: JepaTTS) -> None:
    text = "One fell. Two stood there! Was there a third?"
    parts = list(tts.stream(text, voice="bert", seed=1))
    assert len(parts) == 3
    joined = np.concatenate([part.samples for part in parts])
    np.testing.assert_array_equal(joined, tts.speak(text, voice="bert", seed=1).samples)


def test_stream_checks_its_arguments_before_the_first_piece(tts: JepaTTS) -> None:
    with pytest.raises(VoiceError, match="unknown voice 'zed'; this model knows: ada, bert"):
        tts.stream("Hello.", voice="zed")
    with pytest.raises(TextError, match="empty"):
        tts.stream("  ")
    with pytest.raises(ValueError, match=r"speed must be between 0.25 and 4, not 9"):
        tts.stream("Hello.", speed=9.0)


def test_voices_and_speed_matter(tts: JepaTTS) -> None:
    ada, bert = (tts.speak("Good morning.", voice=name).samples for name in tts.voices)
    size = min(len(ada), len(bert))
    assert np.abs(ada[:size] - bert[:size]).max() > 1e-4
    slow, fast = (tts.speak("Good morning.", speed=s).duration for s in (0.5, 2.0))
    assert slow > 2 * fast
    np.testing.assert_array_equal(tts.speak("Good morning.").samples, ada)


@pytest.mark.parametrize("text", ["", " \n\t ", "\U0001f600\U0001f600", "\x00\x07", "..."])
def test_text_without_words_is_refused(tts: JepaTTS, text: str) -> None:
    with pytest.raises(TextError, match="give at least one word"):
        tts.speak(text)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Fine \U0001f600 indeed \U0001f44d\U0001f3fd.", "en"),
        ("Bells\x07 and\x00 null\u200b.", "en"),
        ("\u202eright to left\u202c", "en"),
        ("\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "he"),
        ("\u0645\u0631\u062d\u0628\u0627", "ar"),
        ("\u0928\u092e\u0938\u094d\u0924\u0947", "hi"),
    ],
)
def test_odd_characters_are_spoken_around(tts: JepaTTS, text: str, language: str) -> None:
    assert tts.speak(text, language=language).duration > 0.1


def test_a_hundred_thousand_characters_are_cut_into_sentences() -> None:
    text = "The word and the other word, " * 3_450
    assert len(text) > 100_000
    parts = sentences(text)
    assert max(map(len, parts)) <= LONGEST_SENTENCE
    assert "".join(" ".join(parts).split()) == "".join(text.split())


def test_a_long_text_streams_without_growing(tts: JepaTTS) -> None:
    """What is held while streaming does not depend on how much was spoken before."""
    import tracemalloc

    stream = tts.stream("The word and the other word, " * 3_450)
    next(stream)
    tracemalloc.start()
    for _ in range(3):
        next(stream)
    first = tracemalloc.get_traced_memory()[0]
    for _ in range(6):
        next(stream)
    grown = tracemalloc.get_traced_memory()[0] - first
    tracemalloc.stop()
    assert grown < 100_000


@pytest.mark.parametrize("samples", [100, 5_000, 24_000, 24_001, 300_000])
def test_reconstruct_keeps_the_length(tts: JepaTTS, samples: int) -> None:
    clip = Audio(buzz(13).samples[:samples], RATE)
    made = tts.reconstruct(clip)
    assert (len(made.samples), made.rate) == (samples, RATE)
    np.testing.assert_array_equal(made.samples, tts.reconstruct(clip).samples)


def test_reconstruct_refuses_what_it_cannot_hold(tts: JepaTTS) -> None:
    with pytest.raises(AudioError, match="holds no samples"):
        tts.reconstruct(Audio(np.zeros(0, np.float32), RATE))
    with pytest.raises(AudioError, match="lasts 301 s and at most 300 s fit"):
        tts.reconstruct(Audio(np.zeros(301 * 8_000, np.float32), 8_000))


def test_predict_is_as_long_as_the_clip(tts: JepaTTS, tmp_path: Path) -> None:
    from voice_data.audio import write

    clip = buzz(1.7, rate=16_000)
    write(tmp_path / "clip.wav", clip)
    made = tts.predict("Twelve tones.", tmp_path / "clip.wav", seed=2)
    assert abs(made.duration - clip.duration) < 1 / RATE
    named = tts.predict("Twelve tones.", clip, voice="ada", seed=2)
    assert np.abs(named.samples - made.samples).max() > 1e-5


def test_prediction_follows_the_true_past(tts: JepaTTS) -> None:
    """Changing the end of a clip changes nothing that was predicted before it."""
    import torch

    from jepa_tts.prompt import encode
    from jepa_tts.text import collate_text

    latents = encode(tts.model, buzz(2.0))
    other = latents.clone()
    other[:, 30:] += 1.0
    vector = tts.voice_vector("ada")
    with torch.inference_mode():
        plan = tts.model.plan(collate_text(["so it goes"]), vector)
        first, second = (tts.model.predict(plan, z).latents for z in (latents, other))
    assert float((first[:, :31] - second[:, :31]).abs().max()) < 1e-5
    assert float((first[:, 31:] - second[:, 31:]).abs().max()) > 1e-3


def test_round_trip_through_a_folder(tts: JepaTTS, package: Path) -> None:
    loaded = JepaTTS.from_pretrained(package)
    assert loaded.voices == tts.voices
    assert loaded.provenance == tts.provenance
    one, two = (each.speak("The same.", seed=5).samples for each in (tts, loaded))
    size = min(len(one), len(two))
    assert abs(len(one) - len(two)) <= 1024
    assert np.abs(one[:size] - two[:size]).mean() < 0.05  # half precision


def test_a_hub_id_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="a hub id needs huggingface_hub"):
        JepaTTS.from_pretrained("someone/something")


def test_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not an artefact"):
        JepaTTS.from_pretrained(tmp_path / "nothing")


def test_save_pretrained_wants_a_provenance(tts: JepaTTS, tmp_path: Path) -> None:
    bare = JepaTTS(tts.model, tts.vocoder)
    with pytest.raises(ValueError, match="needs a provenance"):
        bare.save_pretrained(tmp_path / "out")


def test_speech_lasts_about_as_long_as_planned(tts: JepaTTS) -> None:
    text = "One short sentence. And one more."
    spoken = tts.speak(text, seed=0).duration
    slack = 2 * (LENGTH_SLACK + 1) / tts.config.latent_rate
    assert abs(spoken - tts.planned_duration(text)) <= slack
    with pytest.raises(VoiceError, match="unknown voice"):
        tts.planned_duration(text, voice="nobody")


def changes_of(tts: JepaTTS, seed: int = 0) -> list[tuple[str, np.ndarray]]:
    """Something for two layers."""
    rng = np.random.default_rng(seed)
    state = tts.model.state_dict()
    names = ("predictor.latent_out", "durations.out")
    shapes = [tuple(state[f"{name}.weight"].shape) for name in names]
    return [
        (name, rng.normal(0, 0.1, shape).astype(np.float32))
        for name, shape in zip(names, shapes, strict=True)
    ]


def test_what_is_added_is_spoken_by_narrator_and_networks_alike(
    tts: JepaTTS, package: Path, tmp_path: Path
) -> None:
    changes = changes_of(tts)
    first, second = (JepaTTS.from_pretrained(package) for _ in range(2))
    opened = second.model.state_dict()["durations.out.weight"].clone()
    before = first.speak("The same.", seed=2).samples
    for each in (first, second):
        each.add(iter(changes))
    assert first.narrator is not None
    after = first.speak("The same.", seed=2).samples
    assert len(after) != len(before) or np.abs(after - before).max() > 1e-3
    weights = first.narrator.weights.tensors
    late, early = first.model.state_dict(), second.model.state_dict()
    for name, change in changes:
        key = f"{name}.weight"
        np.testing.assert_array_equal(late[key].numpy(), early[key].numpy())
        np.testing.assert_allclose(late[key].numpy(), weights[key], atol=1e-6)
        assert change.any()
    np.testing.assert_allclose(early["durations.out.weight"] - opened, changes[1][1], atol=1e-6)


@pytest.mark.parametrize("touched", [False, True])
def test_a_change_for_another_model_changes_nothing(package: Path, touched: bool) -> None:
    loaded = JepaTTS.from_pretrained(package)
    if touched:
        assert loaded.model
    good = changes_of(JepaTTS.from_pretrained(package))
    with pytest.raises(ValueError, match="no layer 'nothing'"):
        loaded.add([*good, ("nothing", good[0][1])])
    with pytest.raises(ValueError, match=r"'durations.out' is \[2, 2\] and its weight"):
        loaded.add([*good, ("durations.out", np.zeros((2, 2), np.float32))])
    fresh = JepaTTS.from_pretrained(package).model.state_dict()
    for name, tensor in loaded.model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), fresh[name].numpy())


def test_a_model_saved_with_a_voice_speaks_in_it(tts: JepaTTS, tmp_path: Path) -> None:
    voice = tts.export_voice(buzz(1.0), name="mine")
    tts.save_pretrained(tmp_path / "mine", voice=voice)
    made = JepaTTS.from_pretrained(tmp_path / "mine")
    assert made.voices == ("mine", *tts.voices)
    assert tts.voices == ("ada", "bert")
    np.testing.assert_allclose(made.voice_vector(None)[0], voice.vector, rtol=1e-3, atol=1e-4)
    for name in tts.voices:
        np.testing.assert_allclose(
            made.voice_vector(name), tts.voice_vector(name).detach(), rtol=1e-3, atol=1e-4
        )
    again = replace(voice, vector=-voice.vector, base_sha256=made.weights_sha256)
    made.save_pretrained(tmp_path / "again", voice=again)
    twice = JepaTTS.from_pretrained(tmp_path / "again")
    assert twice.voices == made.voices
    np.testing.assert_allclose(twice.voice_vector("mine")[0], -voice.vector, rtol=1e-3, atol=1e-4)
    with pytest.raises(VoiceError, match="belongs to the model"):
        made.save_pretrained(tmp_path / "other", voice=voice)
