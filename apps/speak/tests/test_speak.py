"""The command `speak`, as a person types it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from speak.cli import main
from voice_data.audio import Audio, read, write

RATE = 24_000


def run(*words: object, text: str | None = None) -> Result:
    """Run `speak` in this process."""
    return CliRunner().invoke(main, [str(word) for word in words], input=text)


def tone(seconds: float, level: float = 0.3, rate: int = RATE) -> Audio:
    """A sine."""
    times = np.arange(int(seconds * rate)) / rate
    return Audio((level * np.sin(2 * np.pi * 150 * times)).astype(np.float32), rate)


@pytest.mark.parametrize("ending", [".wav", ".flac", ".mp3", ".opus"])
def test_writes_by_the_ending(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"hello{ending}"
    done = run("Hello there.", "--voice", "bert", "--out", out)
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{out}: ")
    assert done.output.endswith(" s of speech\n")
    assert read(out).rate == RATE
    assert read(out).duration > 0.3
    magic = {".wav": b"RIFF", ".flac": b"fLaC", ".opus": b"OggS"}
    assert ending == ".mp3" or out.read_bytes()[:4] == magic[ending]


def test_without_out_it_writes_speech_wav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("Hello.")
    assert done.exit_code == 0
    assert done.output.startswith("speech.wav: ")
    assert [path.name for path in tmp_path.iterdir()] == ["speech.wav"]


def test_lists_voices() -> None:
    done = run("--list-voices")
    assert (done.exit_code, done.output) == (0, "ada\nbert\n")


def test_reads_long_text_from_standard_input(tmp_path: Path) -> None:
    text = "The first one. " * 40
    done = run("--out", tmp_path / "a.wav", text=text)
    assert done.exit_code == 0, done.output
    once = run("The first one.", "--out", tmp_path / "b.wav")
    assert once.exit_code == 0
    ratio = read(tmp_path / "a.wav").duration / read(tmp_path / "b.wav").duration
    assert ratio == pytest.approx(40, rel=0.01)


def test_seed_speed_and_voice_decide_the_sound(tmp_path: Path) -> None:
    def sound(*options: object) -> np.ndarray:
        done = run("A word.", "--out", tmp_path / "a.wav", *options)
        assert done.exit_code == 0, done.output
        return read(tmp_path / "a.wav").samples

    plain = sound()
    np.testing.assert_array_equal(plain, sound("--voice", "ada", "--seed", 0, "--speed", 1))
    assert not np.array_equal(plain, sound("--seed", 1))
    assert not np.array_equal(plain, sound("--voice", "bert"))
    assert len(sound("--speed", 2)) < len(plain)


def test_takes_the_voice_of_a_prompt(tmp_path: Path) -> None:
    write(tmp_path / "me.wav", tone(1.5))
    out = tmp_path / "a.wav"
    done = run("Hello.", "--prompt", tmp_path / "me.wav", "--out", out)
    assert done.exit_code == 0, done.output
    run("Hello.", "--out", tmp_path / "b.wav")
    assert not np.array_equal(read(out).samples, read(tmp_path / "b.wav").samples)


def speech(seconds: float = 2.0) -> Audio:
    """A tone that comes and goes, with some noise."""
    times = np.arange(int(seconds * RATE)) / RATE
    loud = np.abs(np.sin(2 * np.pi * 2 * times)) ** 3
    noise = np.random.default_rng(0).normal(size=len(times))
    wave = loud * (0.3 * np.sin(2 * np.pi * 200 * times) + 0.02 * noise)
    return Audio(wave.astype(np.float32), RATE)


def test_speaks_in_a_described_voice_in_one_like_a_clip_and_in_both(tmp_path: Path) -> None:
    write(tmp_path / "me.wav", speech())
    described = ("--voice", "a deep, calm man")
    like = ("--like", tmp_path / "me.wav")
    out, sounds = tmp_path / "a.wav", []
    for options in (
        (),
        described,
        ("--voice", "여자 목소리"),
        like,
        (*described, *like),
        described,
    ):
        done = run("A word.", "--out", out, *options)
        assert done.exit_code == 0, done.output
        sounds.append(read(out).samples)
    *different, last = sounds
    np.testing.assert_array_equal(different[1], last)
    for index, sound in enumerate(different):
        assert not any(np.array_equal(sound, other) for other in different[:index])


def test_a_saved_voice_sounds_as_when_it_was_made(tmp_path: Path) -> None:
    from voice_hypernet import VoiceHypernet

    out = tmp_path / "a.wav"
    VoiceHypernet.from_pretrained().generate_lora_adapters("a calm man").save(tmp_path / "v")
    assert run("A word.", "--voice", "a calm man", "--out", out).exit_code == 0
    once = read(out).samples
    assert run("A word.", "--voice", tmp_path / "v", "--out", out).exit_code == 0
    np.testing.assert_array_equal(read(out).samples, once)


def test_a_contradiction_is_warned_of(tmp_path: Path) -> None:
    done = run("A word.", "--voice", "a deep high voice", "--out", tmp_path / "a.wav")
    assert done.exit_code == 0, done.output
    assert "warning: 'deep' and 'high' exclude each other (pitch): low is taken" in done.stderr
    assert done.stdout.endswith(" s of speech\n")


def test_a_clip_goes_with_neither_a_name_nor_a_saved_voice(tmp_path: Path) -> None:
    from voice_hypernet import VoiceHypernet

    write(tmp_path / "me.wav", speech())
    VoiceHypernet.from_pretrained().generate_lora_adapters("a calm man").save(tmp_path / "v")
    for voice, message in {
        "ada": "excludes the voice 'ada'",
        tmp_path / "v": "a saved voice",
    }.items():
        done = run("A word.", "--voice", voice, "--like", tmp_path / "me.wav", "--out",
                   tmp_path / "a.wav")  # fmt: skip
        assert done.exit_code == 2, done.output
        assert message in done.stderr


def test_a_voice_of_another_model_is_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    from voice_hypernet import VoiceHypernet

    voice = VoiceHypernet.from_pretrained().generate_lora_adapters("a calm man")
    replace(voice, origin=replace(voice.origin, base_sha256="0" * 64)).save(tmp_path / "v")
    done = run("A word.", "--voice", tmp_path / "v", "--out", tmp_path / "a.wav")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: the voice was made for 'jepa-tts' with weights 000000")
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([""], "the text is empty: give at least one word"),
        (["\U0001f600"], "there is nothing to speak"),
        (["Hi", "--voice", "zed"], "unknown voice 'zed'; there are: ada, bert"),
        (["Hi", "--voice", "ada", "--prompt", "x.wav"], "--prompt excludes --voice and --like"),
        (["Hi", "--voice", "?!"], "unknown voice '?!'"),
        (["Hi", "--like", "none.wav"], "does not exist"),
        (["Hi", "--out", "a.xyz"], "must end in one of"),
        (["Hi", "--speed", "0"], "is not in the range"),
        (["Hi", "there"], "unexpected extra argument"),
        (["--loud"], "No such option"),
    ],
)
def test_wrong_calls_exit_with_two(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert list(tmp_path.iterdir()) == []


def test_failed_jobs_exit_with_one_and_one_line(tmp_path: Path) -> None:
    write(tmp_path / "short.wav", tone(0.1))
    write(tmp_path / "silent.wav", tone(1.0, level=0.0))
    write(tmp_path / "cut.wav", tone(1.0))
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[:9_000])
    out = tmp_path / "out" / "a.wav"
    out.parent.mkdir()
    prompts = {
        "short.wav": "the prompt lasts 0.10 s",
        "silent.wav": "the prompt is silent",
        "cut.wav": "cut.wav is cut short",
        "none.wav": "none.wav is not a file",
    }
    for name, message in prompts.items():
        done = run("Hello.", "--prompt", tmp_path / name, "--out", out)
        assert done.exit_code == 1, done.output
        assert done.stderr.startswith("Error: ")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    done = run("Hello.", "--out", tmp_path / "no" / "a.wav")
    assert (done.exit_code, "create the folder first" in done.stderr) == (1, True)
    done = run("Hello.", "--model", tmp_path, "--out", out)
    assert (done.exit_code, "not an artefact" in done.stderr) == (1, True)
    assert list(out.parent.iterdir()) == []


def test_a_wrong_call_and_help_do_not_load_torch(package: Path) -> None:
    code = (
        "import sys\nfrom speak.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules)"
    )
    for words in (["--help"], [""], ["--list-voices", "--model", str(package)]):
        call = [sys.executable, "-c", code, *words]
        done = subprocess.run(call, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "False", words


def test_a_named_voice_does_not_load_the_hypernetwork(tmp_path: Path, package: Path) -> None:
    code = (
        "import sys\nfrom speak.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print('voice_hypernet' in sys.modules)"
    )
    words = ["Hi.", "--voice", "ada", "--model", str(package), "--out", str(tmp_path / "a.wav")]
    call = [sys.executable, "-c", code, *words]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert read(tmp_path / "a.wav").duration > 0.1


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path, package: Path) -> None:
    call = [sys.executable, "-m", "speak", "One. Two. Three.", "--model", str(package),
            "--out", str(tmp_path / "a.wav")]  # fmt: skip
    piped = subprocess.run(call, capture_output=True, check=True)
    assert piped.stderr == b""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    subprocess.run(call, stdout=subprocess.PIPE, stderr=terminal, check=True)
    os.set_blocking(controller, False)
    shown = os.read(controller, 65_536)  # before the last end is closed, or it is gone
    os.close(terminal)
    os.close(controller)
    assert b"/3" in shown
    assert b"sentence" in shown
