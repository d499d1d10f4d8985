# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "jepa-tts", "tqdm", "tts-lora[metrics,train]", "voice-data[metrics]"]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.11.0", "torchaudio==2.11.0"]
#
# [[tool.uv.dependency-metadata]]
# name = "resemblyzer"
# version = "0.1.4"
# requires-dist = [
#   "librosa>=0.9.1", "numpy>=1.10.1", "scipy>=1.2.1", "torch>=1.0.1", "webrtcvad-wheels>=2.0.14",
# ]
#
# [tool.uv.sources]
# jepa-tts = { path = "../packages/jepa-tts", editable = true }
# tts-lora = { path = "../packages/tts-lora", editable = true }
# voice-data = { path = "../packages/voice-data", editable = true }
# ///
"""How much of a person an adapter learns, by the number of recordings.

    uv run tools/evaluate_clone.py --recordings corpora/prompts-prepared/manifest.jsonl \\
        --speaker allison-en --clips 50 --clips 200 --clips 0 --out runs/clone

For each number of clips (0: all) it runs tts-lora's own commands (prepare, train, validate) and
gathers a table: word error rate, similarity with its ceiling and with the base that is only told
the voice ("base + prompt": as in training, which may be the nearest voice that it knows; "base +
clip": as jepa-tts hears it in the longest training clip under 10 s of the smallest set), predicted
MOS, time and peak memory of the training. The held-out sentences are the same
for every number, longer than 2.5 s, and no training clip has the text of one. With ``--say-as`` all
but the recordings say the sentences of another speaker of the manifest. What is done is not made
again; what each command took lies beside its log.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from prompted import NAME, prompted

from voice_data.encoded import EncodedSet
from voice_data.manifest import Utterance, read_manifest, write_manifest
from voice_data.storage import write_text

SHORTEST_JUDGED = 2.5  # s: speaker encoders need as much
METRICS = ("wer", "similarity", "distillmos")
FIGURES = ("similarity", "similarity_ceiling", "wer", "distillmos")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one command, all its attempts together: seconds by the clock and of the processor, which a
    busy machine changes little, and peak resident memory in MB.

    ``whole`` is false where an attempt was killed together with this program: then it took longer.
    """

    words: tuple[str, ...] = ()
    seconds: float = 0.0
    processor: float = 0.0
    megabytes: float = 0.0
    whole: bool = True
    done: bool = False


def choose(items: Sequence[Utterance], held_out: int, clips: int) -> list[Utterance]:
    """The held-out sentences, marked ``validation``, and ``clips`` others (0: all) of other texts.

    The choice depends on ids and texts alone; a smaller set is a part of a larger one.

    Raises:
        UsageError: if there are too few recordings.
    """
    order = sorted(items, key=lambda item: sha256(item.id.encode()).hexdigest())
    long = [item for item in order if (item.duration or 0.0) >= SHORTEST_JUDGED]
    judged = {item.text.lower().strip(" .!?"): item for item in reversed(long)}
    kept = list(judged.items())[:held_out]
    texts = {text for text, _ in kept}
    rest = [item for item in order if item.text.lower().strip(" .!?") not in texts]
    if len(kept) < held_out or len(rest) < max(2, clips):
        raise click.UsageError(
            f"{len(kept)} sentences can be held out and {len(rest)} recordings remain: "
            f"ask for fewer than {held_out} and {clips}"
        )
    rest = rest[:clips] if clips else rest
    judged_by = [replace(item, split="validation") for _, item in kept]
    return judged_by + [replace(item, split="train") for item in rest]


def stage(*words: str, out: Path) -> Cost:
    """One command of tts-lora in a process of its own, unless ``out`` says that it is done.

    What it says goes to ``VERB.log`` and what it took to ``VERB.json``. A command that was
    interrupted goes on where it stopped, and its attempts are added up.

    Raises:
        ClickException: if it fails, or was begun with other settings.
    """
    verb = words[0]
    record, log = out / f"{verb}.json", out / f"{verb}.log"
    before = Cost(words=words)
    if record.exists():
        before = Cost(**json.loads(record.read_text("utf-8")))
        if tuple(before.words) != words:
            raise click.ClickException(f"{record} is of other settings: choose another --out")
    if before.done:
        return before
    _save(record, replace(before, whole=False))  # so much is known if this program is killed
    start, status, used, busy = time.perf_counter(), 1, 0.0, 0.0
    with log.open("a", encoding="utf-8") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "tts_lora", *words], stdout=file, stderr=subprocess.STDOUT
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
            used, busy = usage.ru_maxrss / 1000, usage.ru_utime + usage.ru_stime
        finally:
            seconds = before.seconds + time.perf_counter() - start
            done = os.waitstatus_to_exitcode(status) in ((0, 1) if verb == "validate" else (0,))
            peak = max(before.megabytes, used)
            cost = replace(
                before,
                seconds=seconds,
                processor=before.processor + busy,
                megabytes=peak,
                done=done and used > 0,
            )
            _save(record, cost)
    if not cost.done:
        raise click.ClickException(f"tts-lora {verb} failed: see {log}")
    return cost


def _save(record: Path, cost: Cost) -> None:
    write_text(record, json.dumps(asdict(cost)) + "\n")


def one(
    items: Sequence[Utterance],
    source: Path,
    clips: int,
    held_out: int,
    out: Path,
    base: str,
    train: Sequence[str],
    texts: Sequence[str] = (),
) -> dict[str, Any]:
    """Prepare, train and validate with so many clips; the figures of every system."""
    chosen = choose(items, held_out, clips)
    folder = out / "source"
    for item in chosen:
        target = folder / item.audio
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            os.link(item.path_in(source), target)
    write_manifest(folder / "manifest.jsonl", chosen)
    data, adapter, report = out / "data", out / "adapter", out / "report"
    based = ("--base", base, "--out")
    prepared = stage("prepare", str(folder), *based, str(data), out=out)
    words = ("--data", str(data), *based, str(adapter), *train)
    trained = stage("train", *words, out=out)
    words = ("--adapter", str(adapter), "--out", str(report), "--limit", str(held_out))
    words += ("--set", f"texts={json.dumps(list(texts))}") if texts else ()
    stage("validate", *words, *(w for m in METRICS for w in ("--metric", m)), "--json", out=out)
    prepared_set = EncodedSet(data)  # without what was too long for the base
    learnt, judged = (prepared_set.of_split(part) for part in ("train", "validation"))
    found = json.loads((report / "validation.json").read_text("utf-8"))
    return {
        "clips": len(learnt),
        "minutes": round(sum(prepared_set.clips[i].duration for i in learnt) / 60, 2),
        "held_out": held_out,
        "judged": len(judged),
        "prepare_seconds": round(prepared.seconds, 1),
        "train_seconds": round(trained.seconds, 1),
        "train_processor_seconds": round(trained.processor, 1),
        "times_are_whole": prepared.whole and trained.whole,
        "train_megabytes": round(trained.megabytes),
        "adapter_bytes": (adapter / "adapter_model.safetensors").stat().st_size,
        "systems": {row["name"]: _figures(row) for row in found["rows"]},
    }


def _told(
    out: Path, speaker: str, clips: int, held_out: int, texts: Sequence[str]
) -> dict[str, float]:
    """What the base makes of a clip, computed once for each speaker."""
    file = out / f"{speaker}-prompted.json"
    if not file.exists():
        found = prompted(out / f"{speaker}-{clips or 'all'}" / "data", METRICS, held_out, texts)
        kept = {name: round(found[name], 4) for name in (*FIGURES, "similarity_share")}
        write_text(file, json.dumps(kept) + "\n")
    return json.loads(file.read_text("utf-8"))


def _figures(row: dict[str, Any]) -> dict[str, float]:
    kept = {name: row["figures"][name]["mean"] for name in FIGURES if name in row["figures"]}
    kept["similarity_share"] = row["similarity_share"]
    return {name: round(value, 4) for name, value in kept.items()}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = [
        "| speaker | clips | minutes | system | similarity | of ceiling | WER | MOS | training |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        for name, figures in row["systems"].items():
            cells = [f"{figures.get(key, float('nan')):.3f}" for key in
                     ("similarity", "similarity_share", "wer", "distillmos")]  # fmt: skip
            bound = "" if row.get("times_are_whole", True) else "over "
            seconds = row.get("train_processor_seconds", row["train_seconds"])
            cost = f"{bound}{seconds:.0f} s, {row['train_megabytes']} MB"
            head = [row["speaker"], str(row["clips"]), str(row["minutes"]), name]
            lines.append("| " + " | ".join([*head, *cells, cost]) + " |")
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--recordings", type=click.Path(path_type=Path, exists=True), required=True,
              help="A manifest of real people.")  # fmt: skip
@click.option("--speaker", "speakers", multiple=True, required=True, help="Whom to learn.")
@click.option("--clips", "counts", multiple=True, type=int, default=(50, 200, 0), show_default=True)
@click.option("--held-out", default=40, show_default=True, help="Sentences to judge by.")
@click.option("--base", default="jepa-tts", show_default=True, help="Who learns.")
@click.option("--say-as", default="", help="Judge by the sentences of this speaker, for people "
              "whose language the base does not speak.")  # fmt: skip
@click.option("--train", "train", multiple=True, metavar="KEY=VALUE", help="Settings of training.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(
    recordings: Path,
    speakers: tuple[str, ...],
    counts: tuple[int, ...],
    held_out: int,
    base: str,
    say_as: str,
    train: tuple[str, ...],
    out: Path,
) -> None:  # fmt: skip
    """Learn people from their recordings and print how well it went."""
    items = read_manifest(recordings)
    settings = [word for each in train for word in ("--set", each)]
    theirs = [item for item in items if item.speaker == say_as]
    said = [item.text for item in choose(theirs, held_out, 0)[:held_out]] if say_as else []
    rows = []
    for speaker in speakers:
        mine = [item for item in items if item.speaker == speaker]
        if not mine:
            known = ", ".join(sorted({item.speaker for item in items}))
            raise click.UsageError(f"nobody is called {speaker!r}; there are {known}")
        for clips in counts:
            folder = out / f"{speaker}-{clips or 'all'}"
            done = folder / "row.json"
            if not done.exists():
                folder.mkdir(parents=True, exist_ok=True)
                row = one(mine, recordings.parent, clips, held_out, folder, base, settings, said)
                row |= {"speaker": speaker, "base": base, "settings": list(train)}
                row |= {"say_as": say_as}
                write_text(done, json.dumps(row, indent=2) + "\n")
            rows.append(json.loads(done.read_text("utf-8")))
            if base == "jepa-tts":
                rows[-1]["systems"][NAME] = _told(out, speaker, counts[0], held_out, said)
            if rows[-1]["settings"] != list(train) or rows[-1]["held_out"] != held_out:
                raise click.UsageError(f"{done} is of other settings: choose another --out")
    hardware = {"machine": platform.machine(), "cores": os.cpu_count()}
    write_text(
        out / "clone.json", json.dumps({"hardware": hardware, "rows": rows}, indent=2) + "\n"
    )
    click.echo(table(rows))


if __name__ == "__main__":
    main()
