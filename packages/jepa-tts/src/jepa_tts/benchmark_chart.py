"""What the benchmark measured, drawn: speed by batch, and cost by length of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jepa_tts.chart import Line, Panel, svg

if TYPE_CHECKING:
    from jepa_tts.benchmark import Figures


def drawn(figures: Figures) -> str:
    """Two panels as SVG; other voices, one sentence at a time, are dashed levels."""
    own = {1: figures.real_time_factor} | figures.batches
    levels = [Line(name=n, points=[(1.0, factor)]) for n, factor in figures.rivals.items()]
    batches = Panel(
        title="Speed by requests at once",
        x=f"requests at once, {figures.threads} threads",
        y="seconds of speech per second",
        lines=[Line(name="jepa-tts", points=[(float(n), own[n]) for n in sorted(own)]), *levels],
    )
    lengths = Panel(
        title="Cost by length of text",
        x="seconds of speech",
        y="ms per second of speech",
        lines=[Line(name="jepa-tts", points=sorted(figures.lengths.items()))],
    )
    return svg([batches, lengths])
