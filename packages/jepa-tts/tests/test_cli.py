"""The verbs end to end: files that can be read again, exit codes, one-line errors."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from jepa_tts import cli
from jepa_tts.tts import JepaTTS
from voice_data import audio as audio_module
from voice_data.audio import Audio, read, write

RATE = 24_000


def run(*words: object, text: str | None = None) -> Result:
    """Run `jepa-tts` in this process."""
    return CliRunner().invoke(cli.main, [str(word) for word in words], input=text)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of a tone."""
    times = np.arange(2 * RATE) / RATE
    samples = (0.3 * np.sin(2 * np.pi * 150 * times)).astype(np.float32)
    write(tmp_path / "clip.wav", Audio(samples, RATE))
    return tmp_path / "clip.wav"


@pytest.mark.parametrize("ending", [".wav", ".flac", ".mp3", ".opus"])
def test_synthesize(tmp_path: Path, package: Path, tts: JepaTTS, ending: str) -> None:
    out = tmp_path / f"a{ending}"
    done = run("synthesize", "Hello there.", "--voice", "bert", "--out", out, "--model", package)
    assert done.exit_code == 0, done.output
    back = read(out)
    assert done.output == f"{out}: {back.duration:.2f} s\n" or ending == ".mp3"
    expected = tts.speak("Hello there.", voice="bert")
    assert back.duration == pytest.approx(expected.duration, abs=0.15)
    assert np.abs(back.samples).max() > 0


def test_synthesize_reads_standard_input(tmp_path: Path, package: Path) -> None:
    out = tmp_path / "a.wav"
    long = run("synthesize", "--out", out, "--model", package, text="One.\nTwo.\nThree.\n")
    assert long.exit_code == 0, long.output
    three = read(out).duration
    short = run("synthesize", "-", "--out", out, "--model", package, text="One.")
    assert short.exit_code == 0
    assert read(out).duration < three


def test_seed_and_speed(tmp_path: Path, package: Path) -> None:
    sounds = []
    for options in (["--seed", 1], ["--seed", 1], ["--seed", 2], ["--speed", 2.0]):
        out = tmp_path / "a.wav"
        assert run("synthesize", "Hi.", "--out", out, "--model", package, *options).exit_code == 0
        sounds.append(read(out).samples)
    np.testing.assert_array_equal(sounds[0], sounds[1])
    assert not np.array_equal(sounds[0], sounds[2])
    assert len(sounds[3]) < len(sounds[0])


def test_two_processes_write_the_same_path(tmp_path: Path, package: Path) -> None:
    texts, out = ("One.", "Two and three were here."), tmp_path / "same" / "a.wav"
    out.parent.mkdir()
    whole = []
    for text in texts:
        run("synthesize", text, "--out", tmp_path / "alone.wav", "--model", package)
        whole.append((tmp_path / "alone.wav").read_bytes())
    words = ["--out", str(out), "--model", str(package)]
    command = [sys.executable, "-m", "jepa_tts", "synthesize"]
    both = [subprocess.Popen([*command, text, *words], stdout=subprocess.PIPE) for text in texts]
    seen = set()
    while any(process.poll() is None for process in both):
        if out.exists():
            seen.add(out.read_bytes())
    for process in both:
        process.communicate()
    assert [process.returncode for process in both] == [0, 0]
    assert seen | {out.read_bytes()} <= set(whole)  # always one of them, and whole
    assert [path.name for path in out.parent.iterdir()] == ["a.wav"]


def test_reconstruct_and_predict(tmp_path: Path, package: Path, clip: Path) -> None:
    for words in (["reconstruct", clip], ["predict", "A tone.", clip, "--voice", "ada"]):
        out = tmp_path / "out.wav"
        done = run(*words, "--out", out, "--model", package)
        assert done.exit_code == 0, done.output
        assert read(out).duration == pytest.approx(2.0, abs=1e-3)


def test_export_voice_and_speak_with_it(tmp_path: Path, package: Path, clip: Path) -> None:
    voice, first, second = (tmp_path / n for n in ("me.safetensors", "1.wav", "2.wav"))
    done = run("export-voice", clip, voice, "--model", package, "--consent", "mine")
    assert done.exit_code == 0, done.output
    assert "voice 'me' of model" in done.output
    run("synthesize", "Hi.", "--voice", voice, "--out", first, "--model", package)
    run("synthesize", "Hi.", "--prompt", clip, "--out", second, "--model", package)
    np.testing.assert_array_equal(read(first).samples, read(second).samples)
    wrong = run("export-voice", clip, tmp_path / "me.bin", "--model", package)
    assert wrong.exit_code == 2
    assert "must end in .safetensors" in wrong.output


def test_info(package: Path, tts: JepaTTS) -> None:
    done = run("info", package)
    values = json.loads(done.output)
    assert values["voices"] == ["ada", "bert"]
    assert values["parameters"] == tts.model.network_size()
    assert values["provenance"]["licence"] == "CC0-1.0"


def test_pack_makes_what_info_reads(
    tmp_path: Path, start: Path, tiny_vocoder: Path, manifest: Path
) -> None:
    card = tmp_path / "card.md"
    card.write_text("# A model\n")
    done = run(
        "pack", "--model", start, "--vocoder", tiny_vocoder, "--out", tmp_path / "out", "--card",
        card, "--licence", "Apache-2.0", "--manifest", manifest, "--command", "jepa-tts train",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    from voice_data.manifest import manifest_hash

    values = json.loads(run("info", tmp_path / "out").output)
    assert values["provenance"]["data_manifest_sha256"] == manifest_hash(manifest)
    assert values["provenance"]["command"] == "jepa-tts train"
    assert values["weights_sha256"].startswith(done.output.split()[-1])


def test_from_a_manifest_to_a_trained_stage(tmp_path: Path, manifest: Path, start: Path) -> None:
    cache = tmp_path / "cache"
    done = run("preprocess", manifest, cache, "--pitch-share", 0, "--limit", 6)
    assert done.exit_code == 0, done.output
    assert "6 utterances" in done.output
    done = run("align", cache, "--checkpoint", start)
    assert done.exit_code == 0, done.output
    assert (cache / "bytes.f16").is_file()
    done = run("encode", cache, "--checkpoint", start)
    assert done.exit_code == 0, done.output
    assert (cache / "latents.f16").is_file()


def test_train_reads_recipe_and_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jepa_tts import train as module

    seen = []
    monkeypatch.setattr(module, "train", lambda config: seen.append(config) or {"mse": 0.5})
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"stage: predict\ncache: {tmp_path}\nout: {tmp_path}\nsteps: 7\n")
    done = run("train", "--config", recipe, "--set", "steps=9", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {"mse": 0.5}
    assert (seen[0].stage, seen[0].steps) == ("predict", 9)
    assert not seen[0].collapse_guard
    run("train", "--config", recipe, "--collapse-guard")
    assert seen[1].collapse_guard
    wrong = run("train", "--config", recipe, "--set", "stepz=9")
    assert wrong.exit_code == 2
    assert "unknown key 'stepz' in TrainConfig; valid:" in wrong.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["synthesize", "Hi.", "--out", "a.xyz"], "must end in one of"),
        (["synthesize", "Hi.", "--speed", "9"], "9.0 is not in the range"),
        (["synthesize", "Hi.", "--prompt", "none.wav"], "'none.wav' does not exist"),
        (["reconstruct", "none.wav"], "'none.wav' does not exist"),
        (["pack"], "Missing option"),
        (["sing"], "No such command"),
    ],
)
def test_wrong_calls_exit_with_two(words: list[str], message: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert message in done.output


def fails(message: str, *words: object) -> None:
    """One line on stderr, exit 1."""
    done = run(*words)
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_failed_jobs_exit_with_one(tmp_path: Path, package: Path, clip: Path) -> None:
    out = tmp_path / "a.wav"
    base = ["--out", out, "--model", package]
    fails("give at least one word", "synthesize", "\U0001f600", *base)
    fails("unknown voice 'zed'", "synthesize", "Hi.", "--voice", "zed", *base)
    fails("create the folder first", "synthesize", "Hi.", "--out", tmp_path / "no" / "a.wav",
          "--model", package)  # fmt: skip
    clip.write_bytes(clip.read_bytes()[:5_000])
    fails("clip.wav is cut short", "reconstruct", clip, *base)
    fails("not an artefact", "synthesize", "Hi.", "--out", out, "--model", tmp_path)
    assert not out.exists()
    broken = Path(shutil.copytree(package, tmp_path / "broken"))
    data = bytearray((broken / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (broken / "model.safetensors").write_bytes(data)
    fails("damaged or was replaced", "synthesize", "Hi.", "--out", out, "--model", broken)


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "permission denied")],
)
def test_full_disk_and_read_only_folder(
    tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch, code: int, message: str
) -> None:
    out = tmp_path / "out" / "a.wav"
    out.parent.mkdir()

    class Full(audio_module._Sink):
        def write(self, data: bytes) -> int:
            self._error = OSError(code, os.strerror(code))
            return 0

    def refuse(*args: object, **options: object) -> None:
        raise OSError(code, os.strerror(code))

    if code == errno.ENOSPC:
        monkeypatch.setattr(audio_module, "_Sink", Full)
    else:
        monkeypatch.setattr(Path, "touch", refuse)
    fails(message, "synthesize", "Hi.", "--out", out, "--model", package)
    assert list(out.parent.iterdir()) == []


def test_debug_shows_the_traceback(package: Path) -> None:
    done = run("synthesize", "Hi.", "--voice", "zed", "--model", package, "--debug")
    assert done.exit_code == 1
    assert type(done.exception).__name__ == "VoiceError"


def test_help_and_import_are_light() -> None:
    """Neither the import nor --help may load torch, librosa or scipy."""
    code = (
        "import sys, jepa_tts, jepa_tts.cli\n"
        "try: jepa_tts.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'librosa', 'scipy', 'soundfile') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for verb in ("synthesize", "reconstruct", "predict", "preprocess", "align", "encode", "train",
                 "pack", "benchmark", "drift", "export-voice", "info"):  # fmt: skip
        assert f"\n  {verb} " in done.stdout


def test_speaking_loads_only_what_it_needs(tmp_path: Path, package: Path) -> None:
    """A cold start must not pay for librosa, scipy or a pitch tracker."""
    code = (
        "import sys\nfrom jepa_tts.cli import main\n"
        f"main(['synthesize', 'Hi.', '--model', {str(package)!r}, '--out', "
        f"{str(tmp_path / 'a.wav')!r}], standalone_mode=False)\n"
        "print([m for m in ('librosa', 'scipy', 'swift_f0', 'pandas', 'soxr', 'transformers')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
