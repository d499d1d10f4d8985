"""The command `clone`, as a person types it: every step is real, only small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from clone import cloning
from clone.cli import main
from tts_lora.card import VoiceCard
from voice_data.audio import read
from voice_data.encoded import EncodedSet

TINY = [
    *("--train", "steps=2", "--train", "lora.rank=2", "--train", "report_to=[]"),
    *("--device", "cpu", "--text", "Hello."),
]


def run(*words: object) -> Result:
    """Run `clone` in this process."""
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_voice_from_a_folder(
    recordings: Path, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloning, "METRICS", ("rate",))
    monkeypatch.setattr("clone.cli.METRICS", ("rate",))
    said = ("--speaker", "hum", "--licence", "cc0", "--consent", "self")
    call = (recordings, "--out", tmp_path / "hum", "--base", base, *said, *TINY, "--json")
    result = run(*call)
    assert result.exit_code in (0, 1), result.output  # two steps may be too few for an effect
    done: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (0 if done["ok"] else 1)
    assert result.stderr.splitlines() == [
        "preparing the recordings", "training on 5 clips", "listening to held-out sentences",
        "speaking",
    ]  # fmt: skip
    assert (done["clips"], done["steps"], done["licence"]) == (6, 2, "CC0-1.0")
    assert {row["kind"] for row in done["validation"]["rows"]} >= {"recording", "base", "adapter"}
    assert (tmp_path / "hum" / "report" / "validation.html").is_file()
    assert read(done["sample"]).rate == 24_000
    card = VoiceCard.read(Path(done["adapter"]))
    assert (card.base, card.provenance.licence, card.provenance.consent) == (
        base,
        "CC0-1.0",
        "self",
    )
    sample, weights = (Path(done[n]) for n in ("sample", "adapter"))
    before = (sample.read_bytes(), (weights / "adapter_model.safetensors").read_bytes())
    again = run(*call, "--no-validate")  # what is finished is not made again
    assert again.exit_code == 0, again.output
    assert before == (sample.read_bytes(), (weights / "adapter_model.safetensors").read_bytes())


def test_terms_that_nobody_knows_are_said(
    recordings: Path, base: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = run(recordings, "--out", tmp_path / "a", "--base", base, *TINY, "--no-validate")
    assert result.exit_code == 0, result.output
    assert "licence unknown, consent unknown" in result.stdout
    assert "licence or consent is not known for every clip" in caplog.text


def test_a_speaker_who_refused(recordings: Path, base: str, tmp_path: Path) -> None:
    terms = ("--licence", "CC0-1.0", "--consent", "refused")
    result = run(recordings, "--out", tmp_path / "a", "--base", base, *terms, *TINY)
    assert (result.exit_code, "refused" in result.stderr) == (1, True), result.output
    assert not (tmp_path / "a" / "adapter").exists()


def test_a_dry_run_writes_nothing(recordings: Path, tmp_path: Path) -> None:
    result = run(recordings, "--out", tmp_path / "a", "--base", "no-such-model", "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.stdout == "recordings: 6 clips, 0.1 minutes\nnothing was written (dry run)\n"
    assert [path.name for path in tmp_path.iterdir()] == ["recordings"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["nowhere", "--out", "a"], 2, "does not exist"),
        (["{}"], 2, "Missing option '--out'"),
        (["{}", "--out", "a", "--text", " "], 2, "CloneConfig.text is empty"),
        (["{}", "--out", "a", "--sentences", "0"], 2, "sentences must be at least 1, not 0"),
        (["{}", "--out", "a", "--train", "epoch=3"], 2, "unknown key 'train.epoch'"),
        (["{}", "--out", "a", "--train", "amp=8"], 2, "train.amp must be one of"),
        (["{}", "--out", "a", "--base", "no-such-model"], 1, "no speech model 'no-such-model'"),
    ],
)
def test_refusals(
    words: list[str], status: int, message: str, recordings: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    result = run(*(word.format(recordings) for word in words))
    assert result.exit_code == status, result.output
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "a").exists()


def test_jepa_tts_learns_at_its_own_rate(tmp_path: Path) -> None:
    from voice_data.encoded import SourceConfig

    source = SourceConfig(folder=str(tmp_path))
    config = cloning.CloneConfig(source=source, out=tmp_path / "a", train=("epochs=3",))
    found = config.train_config(unseen=True)
    assert (found.learning_rate, found.loraplus_ratio, found.epochs) == (1.5e-3, 4.0, 3)
    other = cloning.CloneConfig(source=source, out=tmp_path / "a", base="csm", size="large")
    found = other.train_config()
    assert (found.learning_rate, found.lora.rank) == (3e-4, 16)


def test_help_loads_no_torch() -> None:
    code = (
        "import sys\nfrom clone.cli import main\n"
        "main(['--help'], standalone_mode=False)\nsys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--no-validate" in done.stdout


def test_the_set_is_one_that_tts_lora_reads(recordings: Path, base: str, tmp_path: Path) -> None:
    from voice_data.encoded import SourceConfig

    source = SourceConfig(folder=str(recordings), licence="CC0-1.0", consent="self")
    told: list[str] = []
    config = cloning.CloneConfig(
        source=source, out=tmp_path / "a", base=base, metrics=(), device="cpu", text="Hello.",
        train=("steps=1", "lora.rank=2", "report_to=[]"),
    )  # fmt: skip
    done = cloning.clone(config, on_step=told.append)
    assert told == ["preparing the recordings", "training on 5 clips", "not validated", "speaking"]
    assert done.ok
    assert done.steps == 1
    assert len(EncodedSet(config.data)) == done.clips == 6
