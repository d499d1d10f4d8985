"""The verdict on an evaluation's takes: spoken once, kept as files, and scored together."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice_hypernet import adherence
from voice_hypernet.evaluate import (
    Clips,
    EvaluateConfig,
    Take,
    Voicer,
    Wanted,
    described_takes,
    load_voicer,
    read_descriptions,
)

if TYPE_CHECKING:
    from voice_data.score import Report


def evaluate(config: EvaluateConfig, *, voicer: Voicer | None = None, bar: Any = None) -> dict:
    """Speak, score and write ``report.json`` and ``report.md``; returns the report.

    A second call speaks only what is missing, and keeps those parts of the report that it does not
    make. ``bar`` wraps the takes, to show progress.

    Raises:
        CorpusError, EncodedSetError, ArtefactError: if something cannot be read.
        ValueError: if there are too few held-out voices or no texts.
    """
    from voice_data.storage import write_text
    from voice_hypernet.speed import speed

    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {}
    if set(config.parts) != {"speed"}:
        voicer = voicer or load_voicer(config)
        texts = _texts(config)
        report["config"] = {
            "sentences": texts, "seed": config.seed, "voices": voicer.fingerprint,
        }  # fmt: skip
        report |= _Session(config, voicer, bar).parts(texts)
    if "speed" in config.parts:
        report["speed"] = speed(config.hypernet)
    report = _before(out / "report.json", report) | report
    write_text(out / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    write_text(out / "report.md", markdown(report))
    return report


class _Session:
    """One evaluation: what its parts share."""

    def __init__(self, config: EvaluateConfig, voicer: Voicer, bar: Any) -> None:
        from voice_data.encoded import EncodedSet
        from voice_hypernet.corpus import VoiceCorpus

        self.config, self.voicer, self.bar, self.out = config, voicer, bar, Path(config.out)
        self.clips = Clips(voicer, VoiceCorpus(EncodedSet(config.data), config.voices), config)

    def parts(self, texts: Sequence[str]) -> dict[str, Any]:
        """The parts that the config names, but for speed."""
        made = {
            "clips": self._clips,
            "descriptions": self._descriptions,
            "rivals": self._rivals,
            "variance": self._variance,
            "blending": self._blending,
        }
        wanted = [name for name in made if name in self.config.parts]
        if not self.config.descriptions and "descriptions" in wanted:
            wanted.remove("descriptions")
        return {name: made[name](texts) for name in wanted}

    def _speak(self, takes: Iterable[Take], folder: str) -> list[tuple[Take, Path]]:
        return speak_takes(takes, self.voicer, self.out / folder, self.config.seed, self.bar)

    def _clips(self, texts: Sequence[str]) -> dict[str, Any]:
        return _likeness(self._speak(self.clips.takes(texts), "clips"), self.clips)

    def _descriptions(self, texts: Sequence[str]) -> dict[str, Any]:
        wanted = _drawn(read_descriptions(self.config.descriptions), self.config)
        takes = described_takes(self.voicer, wanted, texts, self.config.seed)
        return adherence.adherence(self._speak(takes, "descriptions"), wanted)

    def _rivals(self, texts: Sequence[str]) -> dict[str, Any]:
        from voice_hypernet.rivals import rivals

        speak = partial(self._speak, folder="rivals")
        return rivals(self.clips, texts, self.out / "rivals" / "adapters", speak)

    def _variance(self, texts: Sequence[str]) -> dict[str, Any]:
        from voice_hypernet import steadiness

        config, folder = self.config, self.out / "variance" / "voices"
        many = _texts(replace(config, sentences=config.steady_sentences))
        takes = steadiness.steady_takes(self.clips, many, config.steady_voices, folder)
        found = steadiness.steadiness(self._speak(takes, "variance"), self.clips)
        same = steadiness.reloaded(self.clips, texts[0], folder, config.seed)
        return found | {"identical after reload": same}

    def _blending(self, texts: Sequence[str]) -> dict[str, Any]:
        from voice_hypernet.blending import blended_takes, blending

        takes = blended_takes(self.clips, texts, self.config.pairs)
        return blending(self._speak(takes, "blending"))


def _before(path: Path, report: Mapping[str, Any]) -> dict[str, Any]:
    """An earlier report of the same voices and sentences; speed alone does not say which."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if found.get("config") == report.get("config", found.get("config")) else {}


def markdown(report: Mapping[str, Any]) -> str:
    """The tables of a report."""
    from voice_hypernet import blending, rivals, speed, steadiness

    tables = {
        "clips": _clips_table,
        "descriptions": adherence.table,
        "rivals": rivals.table,
        "variance": steadiness.table,
        "blending": blending.table,
        "speed": speed.table,
    }
    parts = [tables[name](report[name]) for name in tables if name in report]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _clips_table(part: Mapping[str, Any]) -> list[str]:
    lines = ["| way | similarity | of the ceiling | WER | DistillMOS | sentences |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for way, row in part.items():
        lines.append(
            f"| {way} | {row['similarity']:.3f} | {row['of_ceiling']:.3f} | {row['wer']:.1%} | "
            f"{row['distillmos']:.2f} | {row['sentences']} |"
        )
    return lines


def speak_takes(
    takes: Iterable[Take], voicer: Voicer, folder: Path, seed: int, bar: Any = None
) -> list[tuple[Take, Path]]:
    """Speak into ``folder`` what is not there yet."""
    from voice_data.audio import write

    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for take in bar(takes) if bar is not None else takes:
        named = f"{voicer.fingerprint}/{take.way}/{take.subject}/{take.text}/{seed}"
        path = folder / f"{hashlib.sha256(named.encode()).hexdigest()[:20]}.flac"
        if not path.is_file():
            write(path, voicer.speak(take, seed))
        found.append((take, path))
    return found


def _likeness(spoken: Sequence[tuple[Take, Path]], clips: Clips) -> dict[str, Any]:
    from voice_data.score import Row, score

    references = {each.name: clips.references(each) for each in clips.speakers}
    found = {}
    for way in dict.fromkeys(take.way for take, _ in spoken):
        rows = [
            Row(
                audio=path,
                text=take.text,
                speaker=take.subject,
                references=references[take.subject],
            )
            for take, path in spoken
            if take.way == way
        ]
        found[way] = _scored(score(rows, metrics=("wer", "similarity", "distillmos")))
    return found


def _scored(report: Report) -> dict[str, Any]:
    summary = report.summary()
    ceiling = summary["similarity_ceiling"].mean
    return {
        "similarity": summary["similarity"].mean,
        "ceiling": ceiling,
        "of_ceiling": summary["similarity"].mean / ceiling,
        "wer": summary["wer"].mean,
        "distillmos": summary["distillmos"].mean,
        "sentences": len(report.rows),
    }


def _drawn(wanted: list[Wanted], config: EvaluateConfig) -> list[Wanted]:
    if not 0 < config.drawn < len(wanted):
        return wanted
    return random.Random(config.seed).sample(wanted, config.drawn)


def _texts(config: EvaluateConfig) -> list[str]:
    lines = Path(config.texts).read_text("utf-8").splitlines()
    texts = [line.strip() for line in lines if line.strip()][: config.sentences]
    if not texts:
        raise ValueError(f"{config.texts} holds no sentences")
    return texts
