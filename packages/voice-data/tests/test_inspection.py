from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from voice_data.audio import Audio, write
from voice_data.checks import CheckConfig
from voice_data.inspection import Inspection, inspect
from voice_data.manifest import Utterance

Look = Callable[..., Inspection]
RATE = 24_000
GOOD = "A plain sentence of words."


def sound(seconds: float = 2.0, level: float = 0.1, rate: int = RATE) -> np.ndarray:
    samples = np.random.default_rng(0).standard_normal(round(seconds * rate)) * level
    return samples.clip(-1, 1).astype(np.float32)


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Write these samples as a clip with this text, and inspect it."""

    def write_and_inspect(
        samples: np.ndarray | None = None,
        text: str = GOOD,
        *,
        rate: int = RATE,
        subtype: str = "PCM_16",
        name: str = "a.wav",
        config: CheckConfig | None = None,
        charset: str | None = None,
        **fields: Any,
    ) -> Inspection:
        soundfile.write(
            tmp_path / name, sound(rate=rate) if samples is None else samples, rate, subtype
        )
        item = Utterance(**{"id": "a", "audio": name, "text": text, **fields})
        return inspect(item, tmp_path, config, charset)

    return write_and_inspect


def codes(inspection: Inspection) -> list[str]:
    return [finding.code for finding in inspection.findings]


def detail(inspection: Inspection) -> str:
    (finding,) = inspection.findings
    return finding.detail


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000])
def test_good_clip_has_no_findings(look: Look, rate: int) -> None:
    found = look(rate=rate)
    assert codes(found) == []
    assert (found.duration, found.rate) == (2.0, rate)
    assert found.rms_dbfs == pytest.approx(-20, abs=0.2)
    assert len(found.sha256) == len(found.sound_hash) == 64
    assert found.speech_seconds == pytest.approx(2.0, abs=0.02)
    assert found.characters == len(GOOD.replace(" ", "").replace(".", ""))


def test_clip_itself_is_not_touched(look: Look, tmp_path: Path) -> None:
    look(np.stack([sound(), sound()], axis=1), "a \u202e😀")
    before = (tmp_path / "a.wav").stat()
    inspect(Utterance(id="a", audio="a.wav", text="x"), tmp_path)
    after = (tmp_path / "a.wav").stat()
    assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (
            {"samples": np.stack([sound(), sound()], axis=1)},
            "channels",
            "2 channels instead of one",
        ),
        ({"rate": 8_000}, "low_rate", "8000 Hz, at least 16000 Hz is needed: record it again"),
        ({"rate": 44_100}, "rate", "44100 Hz instead of one of 16000, 22050, 24000: resample"),
        ({"subtype": "PCM_24"}, "encoding", "WAV PCM_24 instead of 16-bit PCM"),
        ({"subtype": "FLOAT"}, "encoding", "WAV FLOAT instead of 16-bit PCM"),
        ({"samples": sound(0.1)}, "short", "0.10 s, at least 0.5 s is needed"),
        ({"samples": sound(21)}, "long", "21.0 s, at most 20 s is allowed: segment it"),
        ({"samples": np.zeros(RATE)}, "silent", "-120 dBFS, silence is below -50 dBFS"),
        ({"samples": sound(level=0.001)}, "silent", "-60 dBFS"),
        (
            {"samples": (sound(level=2) * 4).clip(-1, 1)},
            "clipping",
            "of it is clipped, 0.10% allowed",
        ),
        ({"text": ""}, "empty_text", "nothing to speak in '': give at least one word"),
        ({"text": "😀"}, "empty_text", "nothing to speak"),
        ({"text": "a" * 100_000}, "long_text", "100000 characters, 1000 allowed: cut"),
        ({"text": "Hi 😀 you"}, "emoji", "'😀' (U+1F600): normalize drops them"),
        ({"text": "Hi\x07 you"}, "odd_characters", r"'\x07' (U+0007): normalize drops them"),
        ({"text": "Hi \u202eyou"}, "odd_characters", "U+202E"),
        ({"text": "Hi \ufffd you"}, "odd_characters", "U+FFFD"),
        ({"id": "b"}, "name", "the clip 'b' is in a file called 'a.wav': check the pairing"),
    ],
)
def test_each_fault_has_its_code_and_remedy(
    look: Look, options: dict[str, Any], code: str, words: str
) -> None:
    found = look(**options)
    assert codes(found) == [code]
    assert words in detail(found)


def test_right_to_left_text_is_fine(look: Look) -> None:
    assert codes(look(text="שלום עולם", language="he")) == []


def test_silence_at_the_edges(look: Look) -> None:
    found = look(np.concatenate([np.zeros(RATE // 2), sound(), np.zeros(2 * RATE)]))
    assert codes(found) == ["edge_silence"]
    assert detail(found) == "0.5 s of silence before and 2.0 s after: trim it"
    assert found.speech_seconds == pytest.approx(2.0, abs=0.05)


def test_loud_peaks_alone_are_not_clipping(look: Look) -> None:
    samples = sound()
    samples[::100] = 1.0
    assert codes(look(samples)) == []


def test_clipping_at_a_lower_level_than_full_scale_counts(look: Look) -> None:
    assert codes(look((sound(level=2) * 4).clip(-0.985, 0.985))) == ["clipping"]


def test_mp3_named_wav(tmp_path: Path) -> None:
    write(tmp_path / "a.mp3", Audio(sound(), RATE))
    (tmp_path / "a.mp3").rename(tmp_path / "a.wav")
    found = inspect(Utterance(id="a", audio="a.wav", text=GOOD), tmp_path)
    assert codes(found) == ["renamed", "encoding"]
    assert "a.wav is mp3 in spite of its name: convert it" in found.findings[0].detail


def test_truncated_clip(look: Look, tmp_path: Path) -> None:
    look()
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[:1_000])
    found = inspect(Utterance(id="a", audio="a.wav", text=GOOD), tmp_path)
    assert codes(found) == ["unreadable"]
    assert "a.wav is cut short" in detail(found)
    assert found.duration is None


def test_charset_of_a_tokenizer(look: Look) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz .HT"
    assert codes(look(text="Hi there.", charset=letters)) == []
    raw = look(text="Hi 5.", charset=letters)
    assert codes(raw) == ["charset_raw"]
    assert "does not know '5' (U+0035): normalize spells them out" in detail(raw)
    found = look(text="Hi señor.", charset=letters)
    assert codes(found) == ["charset"]
    assert "does not know 'ñ' (U+00F1): spell them in another way" in detail(found)


def test_many_unknown_characters_are_summed_up(look: Look) -> None:
    assert "and 1 more" in detail(look(text="abcdef", charset="x"))


def test_missing_clip_and_its_likely_name(tmp_path: Path) -> None:
    (tmp_path / "Clip_A.WAV").touch()
    near = inspect(Utterance(id="clip_a", audio="clip_a.wav", text=GOOD), tmp_path)
    assert codes(near) == ["missing"]
    assert "did you mean 'Clip_A.WAV'?" in detail(near)
    far = inspect(Utterance(id="b", audio="b.wav", text=GOOD), tmp_path)
    assert "copy the file there or remove the line" in detail(far)


def test_link_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "secret.wav", Audio(sound(), RATE))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.wav").symlink_to(tmp_path / "secret.wav")
    found = inspect(Utterance(id="a", audio="a.wav", text=GOOD), tmp_path / "data")
    assert codes(found) == ["outside"]
    assert "leaves the data folder" in detail(found)


def test_terms_are_checked_on_request(look: Look) -> None:
    config = CheckConfig(use="train")
    assert codes(look(config=config)) == ["consent", "consent"]
    assert codes(look(config=config, licence="CC0", consent="self")) == []
    assert "unknown consent 'yes'" in look(config=config, consent="yes").findings[0].detail


def test_same_sound_in_another_container_has_the_same_hash(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac"):
        write(tmp_path / name, Audio(sound(), RATE))
    wav, flac = (
        inspect(Utterance(id="a", audio=name, text=GOOD), tmp_path) for name in ("a.wav", "a.flac")
    )
    assert wav.sound_hash == flac.sound_hash
    assert wav.sha256 != flac.sha256


def test_inspections_cross_process_borders(look: Look) -> None:
    found = look(text="Hi 😀")
    assert pickle.loads(pickle.dumps(found)) == found
