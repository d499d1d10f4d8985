"""The page and the file of a validation, and the line that it leaves in the adapter's card."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.report import Markup, bars, figure, heading, page, paragraph, player, table

if TYPE_CHECKING:
    from tts_lora.probe import Probe
    from tts_lora.speaking import Spoken
    from tts_lora.validate import Heard
    from tts_lora.validation import Standing, Validation

JSON, HTML = "validation.json", "validation.html"
COLUMNS: Mapping[str, str] = {
    "wer": "WER",
    "cer": "CER",
    "similarity": "similarity",
    "similarity_ceiling": "ceiling",
    "distillmos": "DistillMOS",
    "dnsmos": "DNSMOS",
    "f0_median": "F0, Hz",
    "words_per_second": "words/s",
}


def save(heard: Heard, out: str | os.PathLike[str], *, players: int = 3) -> tuple[Path, Path]:
    """Write ``validation.json`` and ``validation.html`` into ``out``; each whole or not at all.

    ``players`` sentences can be heard in the page, every system side by side.

    Raises:
        OSError: if the folder cannot be written; the message says what to do.
    """
    from voice_data.storage import write_text

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(heard.validation.to_dict(), indent=1, ensure_ascii=False)
    write_text(out / JSON, f"{text}\n")
    write_text(out / HTML, draw(heard, players=players))
    return out / JSON, out / HTML


def draw(heard: Heard, *, players: int = 3) -> str:
    """The page: what was chosen, the table, the sounds, the other voices, the weights."""
    return page(f"Adapter {heard.validation.adapter}", _parts(heard, players))


def lines(validation: Validation) -> list[str]:
    """The same for a terminal: one line per system, then the findings and the choice."""
    shown = [name for name in COLUMNS if _measured(validation, name)]
    head = f"{'':24}" + "".join(f"{COLUMNS[name]:>12}" for name in shown)
    rows = [
        f"{each.name[:24]:24}" + "".join(f"{figure(each.mean(name)):>12}" for name in shown)
        for each in validation.standings
    ]
    found = validation.probe.findings if validation.probe else ()
    told = [f"{each.severity}  {each.code}: {each.detail}; {each.remedy}" for each in found]
    chosen = validation.selection
    choice = [f"chosen: {chosen.chosen or 'none'} ({chosen.why})"] if chosen else []
    return [head, *rows, *told, *choice]


def record(folder: str | os.PathLike[str], validation: Validation) -> None:
    """Write the choice and the adapter's figures into the metrics of its ``voice.json``.

    Raises:
        AdapterError: if the folder is no adapter.
        OSError: if it cannot be written.
    """
    from tts_lora.card import VoiceCard, rewrite

    card = VoiceCard.read(Path(folder))
    metrics = {**card.metrics, "validation": _summary(validation)}
    rewrite(Path(folder), replace(card, metrics=metrics))


def _summary(validation: Validation) -> dict[str, Any]:
    rows = {
        each.name: {
            **{name: each.mean(name) for name in COLUMNS if each.mean(name) is not None},
            **({} if each.degradation is None else {"degradation": each.degradation}),
        }
        for each in validation.standings
    }
    selection = validation.selection
    return {
        "sentences": validation.settings.get("sentences"),
        "rows": rows,
        "selection": None if selection is None else selection.to_dict(),
        "findings": [each.code for each in (validation.probe.findings if validation.probe else ())],
    }


def _parts(heard: Heard, players: int) -> Iterator[Markup]:
    validation = heard.validation
    if validation.selection is not None:
        chosen = validation.selection
        yield paragraph(
            f"Chosen: {chosen.chosen or 'none'}, {chosen.why}.",
            tone="ok" if chosen.chosen else "error",
        )
        yield from (
            paragraph(f"{name} refused: {reason}", tone="warning")
            for name, reason in chosen.refused.items()
        )
    if validation.probe is not None:
        yield from _verdict(validation.probe)
    yield heading(f"{validation.settings.get('sentences')} held-out sentences")
    yield _standings(validation)
    for name in ("similarity", "wer"):
        if _measured(validation, name):
            yield heading(COLUMNS[name])
            yield bars({each.name: each.mean(name) or 0.0 for each in validation.standings})
    if players:
        yield heading("Listen")
        yield _players(heard.spoken, players)
    if validation.others:
        yield heading("The base's other voices, adapter off and on")
        columns = ("system", "voice", "WER off", "WER on", "still the same voice")
        yield table(
            columns,
            [(e.system, e.voice, e.base_wer, e.wer, e.likeness) for e in validation.others],
        )
    if validation.probe is not None:
        yield from _weights(validation.probe)


def _verdict(probe: Probe) -> Iterator[Markup]:
    for each in probe.findings:
        yield paragraph(f"{each.code}: {each.detail}; {each.remedy}.", tone=each.severity)
    if not probe.findings:
        yield paragraph("The adapter works: no finding.", tone="ok")
    merged = probe.merge_difference
    reloaded = {None: "not checked", True: "bit-equal", False: "differs"}[probe.reload_equal]
    yield paragraph(
        f"Outputs change by {probe.output_change:.2%} of their size; merged minus unmerged "
        f"{'cannot be' if merged is None else f'{merged:.1e}'}; reloaded: {reloaded}."
    )


def _standings(validation: Validation) -> Markup:
    shown = [name for name in COLUMNS if _measured(validation, name)]
    columns = ["system", *(COLUMNS[name] for name in shown), "similarity / ceiling", "degradation"]
    chosen = validation.selection.chosen if validation.selection else None
    names = [each.name for each in validation.standings]
    rows = [
        [each.name, *(_cell(each, name) for name in shown), each.similarity_share, each.degradation]
        for each in validation.standings
    ]
    return table(columns, rows, chosen=names.index(chosen) if chosen in names else None)


def _cell(standing: Standing, name: str) -> str | float | None:
    """The mean with its 95 % interval."""
    found = standing.figures.get(name)
    if found is None:
        return None
    return f"{figure(found.mean)} ({figure(found.low)} to {figure(found.high)})"


def _players(spoken: Sequence[Spoken], count: int) -> Markup:
    from voice_data.score.row import load

    texts = list(dict.fromkeys(each.sentence.id for each in spoken))[:count]
    systems = list(dict.fromkeys(each.system for each in spoken))
    cells = {(each.sentence.id, each.system): each for each in spoken}
    rows = [
        [
            cells[name, systems[-1]].sentence.text,
            *(player(load(cells[name, system].audio)) for system in systems),
        ]
        for name in texts
    ]
    return table(["text", *systems], rows)


def _weights(probe: Probe) -> Iterator[Markup]:
    yield heading("Sentences with the adapter off and on")
    yield table(
        ("text", "seconds off", "seconds on", "spectrum, dB", "identical"),
        [(e.text, e.base_seconds, e.seconds, e.spectrum_db, e.identical) for e in probe.sentences],
    )
    yield heading("Size of the delta, as a share of the weight that it changes")
    yield bars({each.layer: each.relative or 0.0 for each in probe.layers})
    yield table(
        ("layer", "rank", "Frobenius", "spectral", "share of the base"),
        [(e.layer, e.rank, e.frobenius, e.spectral, e.relative) for e in probe.layers],
    )


def _measured(validation: Validation, name: str) -> bool:
    return any(each.mean(name) is not None for each in validation.standings)
