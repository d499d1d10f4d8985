"""Speech without torch against the networks in torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from jepa_tts.catalogue import shipped
from jepa_tts.narrator import Narrator, can_speak
from jepa_tts.noise import Noise
from jepa_tts.studio import Studio
from jepa_tts.text import collate_text
from jepa_tts.transformer import CrossAttention
from jepa_tts.tts import JepaTTS
from jepa_tts.weights import Weights, read_weights

TEXT = "Four hours of steady work faced us when the morning came."


@pytest.fixture(scope="module")
def weights() -> Weights:
    """Of the shipped checkpoint."""
    return read_weights(shipped())


@pytest.fixture(scope="module")
def studio() -> Studio:
    """The shipped checkpoint in torch."""
    return Studio.open(shipped())


def voice_of(weights: Weights) -> np.ndarray:
    """The first named voice."""
    return weights.tensors["voices.table.weight"][0]


@torch.inference_mode()
def test_the_score_is_the_plan(weights: Weights, studio: Studio) -> None:
    voice = voice_of(weights)
    for speed in (1.0, 1.7):
        score = Narrator(weights).score(TEXT, voice, speed)
        plan = studio.model.plan(collate_text([TEXT]), torch.from_numpy(voice)[None], speed)
        assert score.planned == int(plan.lengths[0])
        clock, predictor = plan.clock(score.limit), studio.model.predictor
        text = predictor.text_in(plan.text[0, clock.position[0]])
        want = text + predictor.phase_in(clock.phase[0]) + plan.voice + predictor.latent_in.bias
        np.testing.assert_allclose(score.fixed, want.numpy(), atol=1e-4)
        for cross, attention in enumerate(predictor.cross_attention):
            assert isinstance(attention, CrossAttention)
            bias = clock.prior[0][:, None] * attention.strength[:, None]
            np.testing.assert_allclose(score.bias[:, cross], bias.numpy(), rtol=1e-4, atol=1e-4)
            for made, want in zip(
                (score.keys, score.values), attention.keys_values(plan.text), strict=True
            ):
                np.testing.assert_allclose(made[cross], want[0].numpy(), atol=1e-4)


@torch.inference_mode()
def test_float32_is_torch_and_int8_is_near(weights: Weights, studio: Studio) -> None:
    """Latents of a free run: equal to 1e-3 in float32; in eight bits off by 3 % of their size."""
    voice = voice_of(weights)
    plan = studio.model.plan(collate_text([TEXT]), torch.from_numpy(voice)[None])
    latents, lengths = studio.model.generate(plan)
    want = latents[0, : int(lengths[0])].numpy()
    exact, narrator = Narrator(weights, precision="float32"), Narrator(weights)
    made = np.stack(list(exact.latents(exact.score(TEXT, voice))))
    np.testing.assert_allclose(made, want, atol=1e-3)
    made = np.stack(list(narrator.latents(narrator.score(TEXT, voice))))
    assert made.shape == want.shape
    assert np.sqrt(((made - want) ** 2).mean() / (want**2).mean()) < 0.03


@torch.inference_mode()
def test_the_sound_is_torchs(weights: Weights, studio: Studio) -> None:
    """To the drift of a phase that is summed up over the sentence."""
    latents = np.random.default_rng(0).normal(size=(40, 72)).astype(np.float32)
    made = Narrator(weights, precision="float32").sound(latents, Noise(3))
    mel = studio.model.mel_decoder(torch.from_numpy(latents)[None])
    generator = torch.Generator().manual_seed(3)
    want = studio.vocoder(mel, generator=generator).samples[0].clamp(-1, 1).numpy()
    assert made.shape == want.shape
    np.testing.assert_allclose(made, want, atol=0.02)
    assert np.sqrt(((made - want) ** 2).mean()) < 1e-3


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_pieces_are_the_whole(weights: Weights, precision: str) -> None:
    narrator = Narrator(weights, precision=precision)  # pyright: ignore[reportArgumentType]
    texts, voice = [TEXT, "It is ready."], voice_of(weights)
    whole = list(narrator.spoken(texts, voice, 1.0, 7))
    parts = list(narrator.spoken(texts, voice, 1.0, 7, pieces=True))
    assert len(whole) == 2
    assert len(parts) > 4
    assert parts[0].duration < 0.6
    joined, want = (np.concatenate([part.samples for part in each]) for each in (parts, whole))
    np.testing.assert_allclose(joined, want, atol=1e-4)


def test_speaking_loads_no_torch(tmp_path: Path) -> None:
    out = tmp_path / "speech.wav"
    code = (
        "import sys\n"
        "from jepa_tts.cli import main\n"
        f"main(['synthesize', 'It is ready.', '--out', {str(out)!r}], standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 20_000


def test_touching_the_model_ends_the_narration() -> None:
    tts = JepaTTS.from_pretrained()
    narrated = tts.speak("Hello.")
    with torch.no_grad():
        tts.model.durations.out.bias.add_(1.0)
    assert tts.speak("Hello.").duration > 1.5 * narrated.duration


def test_what_the_graphs_do_not_know(weights: Weights) -> None:
    assert can_speak(weights)
    for changed in ({"head": "istft"}, {"padding": "same"}, {"hop_length": 250}):
        other = replace(weights.vocoder, **changed)
        assert not can_speak(replace(weights, vocoder=other))


def test_threads_change_nothing(weights: Weights) -> None:
    texts, voice = [TEXT, "It is ready.", "So are we."], voice_of(weights)
    one, two = (
        [audio.samples for audio in Narrator(weights, threads=n).spoken(texts, voice, 1.0, 7)]
        for n in (1, 2)
    )
    assert len(one) == len(two) == 3
    for left, right in zip(one, two, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-4)


def test_an_error_in_the_next_sentence_comes_in_its_turn(weights: Weights) -> None:
    parts = Narrator(weights, threads=2).spoken(["Go.", "\udcff"], voice_of(weights), 1.0, 0)
    assert next(parts).duration > 0.1
    with pytest.raises(UnicodeEncodeError):
        next(parts)
