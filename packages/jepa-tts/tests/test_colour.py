"""Speech in a voice that was heard, brought nearer to the clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from jepa_tts import colour as module
from jepa_tts.audio_encoder import PITCH_DIMENSIONS as PITCH
from jepa_tts.catalogue import shipped
from jepa_tts.colour import colour, monge_map
from jepa_tts.narrator import Narrator
from jepa_tts.studio import Studio
from jepa_tts.tts import JepaTTS
from jepa_tts.voice import Voice, VoiceError, coloured
from jepa_tts.weights import Weights, read_weights
from voice_data.audio import Audio

WIDE = 20
TEXT = "Four hours of steady work faced us."


def correlated(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(WIDE, WIDE)) / 4 + np.eye(WIDE)
    return (rng.normal(size=(rows, WIDE)) @ mix + rng.normal(size=WIDE)).astype(np.float32)


@pytest.fixture(scope="module")
def weights() -> Weights:
    """Of the shipped checkpoint."""
    return read_weights(shipped())


@pytest.fixture(scope="module")
def bent(weights: Weights) -> np.ndarray:
    """Two maps that are no identity."""
    size = weights.model.latent
    turn = np.random.default_rng(1).normal(size=(2, size + 1, size)) * 0.02
    return (turn + np.eye(size + 1, size)).astype(np.float32)


def test_means_and_covariances_become_those_of_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHRINKAGE", 0.0)
    own, wanted = correlated(60_000, 0), correlated(50_000, 1)
    made = coloured(own, np.stack([monge_map(own, wanted)] * 2))
    free = [part[:, PITCH:] for part in (made, wanted)]
    np.testing.assert_allclose(free[0].mean(0), free[1].mean(0), atol=0.01)
    np.testing.assert_allclose(np.cov(free[0].T), np.cov(free[1].T), atol=0.02)
    np.testing.assert_array_equal(made[:, :PITCH], own[:, :PITCH])


def test_voiced_frames_have_a_map_of_their_own() -> None:
    latents = correlated(6, 0)
    latents[:, 1:PITCH:2] = np.array([-1.0, 1.0, 1.0, -1.0, 1.0, -1.0])[:, None]
    latents[1, 1] = -0.5  # one mel frame of four
    maps = np.stack([np.eye(WIDE + 1, WIDE), 2 * np.eye(WIDE + 1, WIDE)]).astype(np.float32)
    factor = coloured(latents, maps)[:, 0] / latents[:, 0]
    np.testing.assert_allclose(factor, [1.0, 2.0, 2.0, 1.0, 2.0, 1.0], rtol=1e-6)


def test_the_map_is_the_least_that_does_it() -> None:
    own = correlated(5_000, 0)
    same = monge_map(own, own)
    np.testing.assert_allclose(same, np.eye(WIDE + 1, WIDE), atol=1e-3)
    higher = monge_map(own, own + 1.0)
    np.testing.assert_allclose(higher[:-1], np.eye(WIDE), atol=1e-3)
    np.testing.assert_allclose(higher[-1, PITCH:], 1.0, atol=1e-2)


def test_a_short_clip_is_trusted_less() -> None:
    own, wanted = correlated(2_000, 0), correlated(WIDE, 1)
    made = monge_map(own, wanted)[PITCH:-1, PITCH:]
    assert np.abs(made - np.diag(np.diag(made))).max() < 1e-5
    assert np.linalg.matrix_rank(monge_map(own, wanted[:8])[:-1]) == WIDE


@torch.inference_mode()
def test_a_moment_of_speech_is_not_enough(tts: JepaTTS) -> None:
    voice, latent = torch.zeros(1, tts.config.width), tts.config.latent
    assert colour(tts.model, voice, torch.zeros(1, 8, latent)) is None


@pytest.mark.parametrize("pieces", [False, True])
def test_narrator_and_studio_colour_alike(weights: Weights, bent: np.ndarray, pieces: bool) -> None:
    voice = weights.tensors["voices.table.weight"][0]
    narrator, studio = Narrator(weights, precision="float32"), Studio.open(shipped())
    want = next(studio.spoken([TEXT], voice, 1.0, 3, colour=bent)).samples
    parts = narrator.spoken([TEXT], voice, 1.0, 3, colour=bent, pieces=pieces)
    made = np.concatenate([part.samples for part in parts])
    assert made.shape == want.shape
    assert np.sqrt(((made - want) ** 2).mean()) < 0.05 * np.sqrt((want**2).mean())
    plain = next(studio.spoken([TEXT], voice, 1.0, 3)).samples
    assert np.sqrt(((plain - want) ** 2).mean()) > 0.2 * np.sqrt((want**2).mean())


def test_a_prompt_is_coloured_and_so_is_its_file(tmp_path: Path) -> None:
    tts = JepaTTS.from_pretrained()
    clip = tts.speak("It is easy to tell the depth of a well, they said to us.", voice="joe")
    clip = Audio(clip.samples[1:] - np.float32(0.9) * clip.samples[:-1], clip.rate)
    voice = tts.export_voice(clip, name="thin")
    assert voice.colour is not None
    path = tmp_path / "thin.safetensors"
    voice.save(path)
    again = Voice.load(path)
    assert again.colour is not None
    np.testing.assert_array_equal(again.colour, voice.colour)
    made = tts.speak("Good morning.", voice=str(path)).samples
    np.testing.assert_array_equal(made, tts.speak("Good morning.", prompt=clip).samples)
    plain = Voice(name="plain", vector=voice.vector, base_sha256=voice.base_sha256)
    assert brightness(made) > 1.2 * brightness(tts.speak("Good morning.", voice=plain).samples)


def brightness(samples: np.ndarray) -> float:
    """The mean frequency, in bins."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float((power * np.arange(len(power))).sum() / power.sum() / len(power))


def test_a_colour_of_the_wrong_shape() -> None:
    vector = np.zeros(4, np.float32)
    for wrong in (np.zeros((4, 3), np.float32), np.zeros((2, 4, 3)), np.zeros(3, np.float32)):
        with pytest.raises(VoiceError, match=r"colour must be float32 of shape \[2, Z \+ 1, Z\]"):
            Voice(name="x", vector=vector, base_sha256="0", colour=wrong)
    broken = np.full((2, 4, 3), np.nan, np.float32)
    with pytest.raises(VoiceError, match="holds NaN or infinity"):
        Voice(name="x", vector=vector, base_sha256="0", colour=broken)


def test_a_colour_for_other_latents_is_refused(tts: JepaTTS) -> None:
    voice = Voice(
        name="odd", vector=np.zeros(tts.config.width, np.float32),
        base_sha256=tts.weights_sha256, colour=np.zeros((2, 6, 5), np.float32),
    )  # fmt: skip
    with pytest.raises(VoiceError, match="the colour of the voice 'odd' is for 5 latent"):
        tts.speak("Good morning.", voice=voice)
