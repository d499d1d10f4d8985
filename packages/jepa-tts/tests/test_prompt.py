"""Voices from clips: which clips will do, and what a voice file promises."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jepa_tts.prompt import Voice, VoiceError, encode, hear
from jepa_tts.tts import JepaTTS
from voice_data.audio import Audio, AudioError, write

RATE = 24_000


def buzz(seconds: float, rate: int = RATE, pitch: float = 140.0) -> Audio:
    """A tone with harmonics."""
    times = np.arange(int(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * pitch * k * times) / k for k in range(1, 12))
    return Audio((0.3 * wave / np.abs(wave).max()).astype(np.float32), rate)


def test_a_short_prompt_is_refused(tts: JepaTTS) -> None:
    with pytest.raises(AudioError, match=r"the prompt lasts 0\.10 s: give at least 0\.5 s"):
        tts.speak("Hello.", prompt=buzz(0.1))


@pytest.mark.parametrize(("level", "shown"), [(0.0, "digital silence"), (1e-4, "-80 dBFS")])
def test_a_silent_prompt_is_refused(tts: JepaTTS, level: float, shown: str) -> None:
    silence = Audio(np.full(RATE, level, np.float32), RATE)
    with pytest.raises(AudioError, match=rf"the prompt is silent \({shown}\)"):
        tts.speak("Hello.", prompt=silence)


def test_a_stereo_prompt_is_heard_as_its_mean(tts: JepaTTS, tmp_path: Path) -> None:
    left, right = buzz(1.5).samples, buzz(1.5, pitch=210.0).samples
    soundfile.write(tmp_path / "s.wav", np.stack([left, right], 1), RATE, "FLOAT")
    mono = Audio((left + right) / 2, RATE)
    np.testing.assert_allclose(
        tts.voice_vector(None, tmp_path / "s.wav"), tts.voice_vector(None, mono), atol=1e-4
    )


def test_a_telephone_prompt_is_resampled_with_a_warning(
    tts: JepaTTS, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        low = tts.voice_vector(None, buzz(2.0, rate=8_000))
    assert "the clip has 8000 Hz and the model 24000" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        high = tts.voice_vector(None, buzz(2.0, rate=48_000))
    assert caplog.text == ""
    assert low.shape == high.shape == (1, tts.config.width)


def test_a_truncated_prompt_is_refused(tts: JepaTTS, tmp_path: Path) -> None:
    write(tmp_path / "cut.wav", buzz(2.0))
    data = (tmp_path / "cut.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match=r"cut\.wav is cut short"):
        tts.speak("Hello.", prompt=tmp_path / "cut.wav")


def test_voice_and_prompt_exclude_each_other(tts: JepaTTS) -> None:
    with pytest.raises(VoiceError, match="exclude each other"):
        tts.speak("Hello.", voice="ada", prompt=buzz(1.0))


def test_encode_covers_the_clip_in_pieces(tts: JepaTTS) -> None:
    """A long clip is read in pieces, the first of which sees nothing of the others."""
    clip = buzz(25.0)
    latents = encode(tts.model, clip)
    expected = 25.0 * tts.config.latent_rate
    assert expected <= latents.shape[1] <= expected + 2
    head = Audio(clip.samples[: 1024 * 256 + 1024], RATE)
    np.testing.assert_allclose(latents[:, :250], encode(tts.model, head)[:, :250], atol=1e-4)


def test_a_long_prompt_is_the_mean_of_its_windows(tts: JepaTTS) -> None:
    clip = buzz(9.0)
    latents = encode(tts.model, clip)
    real = int(9.0 * tts.config.latent_rate)
    size = real // 2
    import torch

    mask = torch.ones(1, size, dtype=torch.bool)
    with torch.inference_mode():
        parts = [
            tts.model.voices.hear(latents[:, k * size : (k + 1) * size], mask) for k in range(2)
        ]
    np.testing.assert_allclose(hear(tts.model, clip), sum(parts) / 2, atol=1e-5)


def test_a_voice_file_speaks_like_its_prompt(tts: JepaTTS, tmp_path: Path) -> None:
    clip, path = buzz(2.0), tmp_path / "me.safetensors"
    voice = tts.export_voice(clip, name="me", licence="CC-BY-4.0", consent="signed")
    voice.save(path)
    loaded = Voice.load(path)
    assert (loaded.name, loaded.licence, loaded.consent) == ("me", "CC-BY-4.0", "signed")
    spoken = [tts.speak("Good.", voice=v).samples for v in (voice, loaded, str(path))]
    spoken.append(tts.speak("Good.", prompt=clip).samples)
    for other in spoken[1:]:
        np.testing.assert_array_equal(other, spoken[0])


def test_a_voice_of_another_model_is_refused_by_name(tts: JepaTTS) -> None:
    voice = Voice(name="me", vector=np.zeros(tts.config.width, np.float32), base_sha256="ab" * 32)
    with pytest.raises(VoiceError, match="'me' belongs to the model with weights abababababababab"):
        tts.speak("Hello.", voice=voice)


def test_a_damaged_voice_file_is_refused(tts: JepaTTS, tmp_path: Path) -> None:
    path = tmp_path / "me.safetensors"
    with pytest.raises(VoiceError, match=r"me\.safetensors is not a file"):
        Voice.load(path)
    tts.export_voice(buzz(1.0), name="me").save(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(VoiceError, match=r"me\.safetensors is not a voice file"):
        tts.speak("Hello.", voice=str(path))


def test_other_safetensors_are_no_voices(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "x.safetensors"
    vector = {"vector": np.zeros(4, np.float32)}
    save_file(vector, path)
    with pytest.raises(VoiceError, match="is not a voice of jepa-tts: format None"):
        Voice.load(path)
    save_file(vector, path, {"format": "jepa-tts-voice-1", "nmae": "x"})
    with pytest.raises(VoiceError, match="unknown key 'nmae'; valid: format, name"):
        Voice.load(path)
    save_file(vector, path, {"format": "jepa-tts-voice-1", "name": "x"})
    with pytest.raises(VoiceError, match="lacks a field"):
        Voice.load(path)
    save_file({"other": np.zeros(4, np.float32)}, path, {"format": "jepa-tts-voice-1"})
    with pytest.raises(VoiceError, match="is not a voice file"):
        Voice.load(path)


def test_a_voice_checks_its_vector() -> None:
    with pytest.raises(VoiceError, match="must be float32"):
        Voice(name="x", vector=np.zeros((1, 4), np.float32), base_sha256="")
    with pytest.raises(VoiceError, match="NaN"):
        Voice(name="x", vector=np.full(4, np.nan, np.float32), base_sha256="")


def test_saving_a_voice_names_the_folder_that_fails(tts: JepaTTS, tmp_path: Path) -> None:
    voice = tts.export_voice(buzz(1.0), name="me")
    with pytest.raises(OSError, match="its folder does not exist"):
        voice.save(tmp_path / "none" / "me.safetensors")
