"""The corpus of telephone prompts: what is said, by whom, on which terms, and what is left out."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import telephone_prompts as prompts
from click.testing import CliRunner

from voice_data.audio import Audio, read
from voice_data.manifest import read_manifest
from voice_data.storage import file_sha256

LIST = """\ufeff; Core Asterisk Sounds

hello: Hello.
dictate/help: press # to exit (note: quiet)
beep: [this is a simple beep tone]
silence/1: (1 second of silence)
letters/A: letters/A: ay
empty:
gone: There is no such recording.
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """What unpacking the two English packages leaves, in small."""
    root = tmp_path / "asterisk"
    sounds = root / "usr/share/asterisk/sounds/en_US_f_Allison"
    for name in ("hello", "dictate/help", "beep", "silence/1", "letters/a", "empty", "unlisted"):
        file = sounds / f"{name}.g722"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(range(200)) * 20)  # 4000 bytes: half a second
    texts = root / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
    texts.parent.mkdir(parents=True)
    texts.write_bytes(gzip.compress(LIST.encode()))
    return root


def ramp(coded: bytes) -> Audio:
    """In place of the codec: as many samples as it would give."""
    return Audio(np.linspace(-0.5, 0.5, 2 * len(coded), dtype=np.float32), 16_000)


def test_recordings_with_speech_and_words_become_a_held_out_corpus(
    packages: Path, tmp_path: Path
) -> None:
    out = tmp_path / "prompts"
    lines = list(prompts.made(packages, ["en"], out, ramp))
    assert lines == ["allison-en: 3 clips, 0.0 min; left out: 2 no speech, 2 no transcript"]
    clips = {clip.id: clip for clip in read_manifest(out / "manifest.jsonl")}
    assert {name: clip.text for name, clip in clips.items()} == {
        "allison-en-dictate-help": "press pound to exit",
        "allison-en-hello": "Hello.",
        "allison-en-letters-a": "ay",
    }
    clip = clips["allison-en-hello"]
    assert (clip.speaker, clip.language, clip.split) == ("allison-en", "en", "held-out")
    assert (clip.licence, clip.consent) == ("CC-BY-SA-3.0", "public")
    assert clip.source == "asterisk-core-sounds-en-g722/hello"
    assert clip.extra["person"] == "Allison Smith"
    assert clip.extra["transcript"] == "published"
    assert clips["allison-en-dictate-help"].extra["transcript"] == "published, mended"
    audio = read(clip.path_in(out))
    assert (audio.rate, audio.duration, clip.duration) == (24_000, 0.5, 0.5)
    assert clip.sha256 == file_sha256(clip.path_in(out))


def test_the_same_packages_give_the_same_bytes(packages: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        list(prompts.made(packages, ["en"], tmp_path / name, ramp))
    first, second = ((tmp_path / name / "manifest.jsonl").read_bytes() for name in ("one", "two"))
    assert first == second


@pytest.mark.parametrize(
    ("language", "published", "spoken"),
    [
        ("en", "dollar [$]", "dollar"),
        ("en", 'a polite "don\'t call" menu', 'a polite "don\'t call" menu'),
        ("en", "[sound of monkeys screaming]", ""),
        ("fr", "(ne m'appelez plus, jamais), appuyez", "ne m'appelez plus, jamais, appuyez"),
        ("fr", 'suivi du dièse."', "suivi du dièse."),
        ("fr", "appuyez sur * ou sur #", "appuyez sur étoile ou sur dièse"),
        ("it", "Qualcosa ? terribilmente sbagliato!", "Qualcosa è terribilmente sbagliato!"),
        ("it", "Login non corretta. Casella di posta?", "Login non corretta. Casella di posta?"),
        ("it", "[!] punto esclamativo", "punto esclamativo"),
        ("es", "Sus saludos [temporales] estan", "Sus saludos temporales estan"),
        ("ru", "2 - чтобы выкинуть", "2 - чтобы выкинуть"),
    ],
)
def test_words_are_what_is_spoken(language: str, published: str, spoken: str) -> None:
    assert prompts.words(published, language) == spoken


def test_every_reader_has_terms_that_are_known() -> None:
    from voice_data.consent import licence_named

    for reader in prompts.READERS.values():
        assert licence_named(reader.licence).known
        assert licence_named(reader.licence).attribution
    people = {reader.person for reader in prompts.READERS.values()}
    assert len(people) == 4  # one of them reads two languages


def test_g722_is_decoded_with_its_delay() -> None:
    codec = pytest.importorskip("G722", reason="the codec is no part of the workspace")
    tone = 0.25 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    coded = codec.G722(16_000, 64_000).encode(np.round(32_768 * tone).astype(np.int16))
    audio = prompts.decode(bytes(coded))
    assert audio.rate == 16_000
    assert len(audio.samples) == 16_000
    # The quadrature mirror filters of both ends (ITU-T G.722, 24 taps each) delay by 22 samples.
    np.testing.assert_allclose(audio.samples[1_022:], tone[1_000:-22], atol=0.01)


def test_missing_packages_are_named(packages: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    out = ["--out", str(tmp_path / "out")]
    absent = run(prompts.main, ["--packages", str(packages), "--languages", "it", *out])
    assert absent.exit_code == 1
    assert "unpack asterisk-core-sounds-it-g722" in absent.output
    (packages / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz").unlink()
    wordless = run(prompts.main, ["--packages", str(packages), "--languages", "en", *out])
    assert wordless.exit_code == 1
    assert "unpack the package asterisk-core-sounds-en there" in wordless.output
    unknown = run(prompts.main, ["--packages", str(packages), "--languages", "xx", *out])
    assert unknown.exit_code == 2
    assert "'xx'" in unknown.output
    assert not (tmp_path / "out").exists()


def test_a_line_without_a_name_is_named(packages: Path, tmp_path: Path) -> None:
    texts = packages / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
    texts.write_bytes(gzip.compress(b"hello: Hello.\nno name here\n"))
    with pytest.raises(prompts.click.ClickException, match=r"gz:2: no 'name: words'"):
        prompts.recordings(packages, "en")
