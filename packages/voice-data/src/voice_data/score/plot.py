"""A picture of a report: one histogram per headline column, one colour per speaker."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from voice_data.score.extra import require

if TYPE_CHECKING:
    from voice_data.score.report import Report

_PANELS = {
    "wer": "word error rate",
    "similarity": "speaker similarity (cosine)",
    "distillmos": "DistillMOS",
    "dnsmos": "DNSMOS",
    "f0_median": "median F0 (Hz)",
    "words_per_second": "words per second",
}
_BINS = 20
_COLUMNS = 3


def draw(report: Report) -> bytes:
    """A PNG with one panel per measured headline column; the similarity panel marks the ceiling.

    Raises:
        ImportError: if the ``[metrics]`` extra is not installed.
    """
    figure_module, agg = require("matplotlib.figure"), require("matplotlib.backends.backend_agg")
    rows = [row.to_dict() for row in report.rows]
    panels = [name for name in _PANELS if any(row.get(name) is not None for row in rows)] or [
        "duration"
    ]
    speakers = sorted({row["speaker"] for row in rows})
    # A Figure of its own, not pyplot: no global state and no display.
    columns = min(len(panels), _COLUMNS)
    lines = -(-len(panels) // columns)
    figure = figure_module.Figure(figsize=(4 * columns, 3 * lines), layout="constrained")
    agg.FigureCanvasAgg(figure)
    for number, name in enumerate(panels, start=1):
        axes = figure.add_subplot(lines, columns, number)
        values = [_values(rows, speaker, name) for speaker in speakers]
        axes.hist(
            values, bins=_BINS, stacked=True, label=[speaker or "all" for speaker in speakers]
        )
        axes.set_xlabel(_PANELS.get(name, "duration (s)"))
        ceilings = [
            row["similarity_ceiling"] for row in rows if row.get("similarity_ceiling") is not None
        ]
        if name == "similarity" and ceilings:
            axes.axvline(
                float(np.mean(ceilings)), color="black", linestyle="--", label="same-voice ceiling"
            )
            axes.legend(fontsize="small")
    figure.axes[0].set_ylabel("clips")
    if speakers != [""]:
        figure.axes[0].legend(fontsize="small")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120)
    return stream.getvalue()


def _values(rows: list[dict[str, Any]], speaker: str, name: str) -> list[float]:
    mine = [row for row in rows if row["speaker"] == speaker and row.get(name) is not None]
    return [float(row[name]) for row in mine]
