"""Lines in a picture, as SVG text: no library is needed for two small panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, MARGIN = 360, 240, 48
COLOURS = ("#1f6f8b", "#c05a2b", "#6a8d3a", "#7a5195")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Points (x, y) in the order of x; one point is a level across the panel."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Lines over one pair of axes, both from zero.

    Raises:
        ValueError: if there is no line, or a line without a point.
    """

    title: str
    x: str
    y: str
    lines: Sequence[Line]

    def __post_init__(self) -> None:
        if not self.lines or not all(line.points for line in self.lines):
            raise ValueError(f"the panel {self.title!r} has no line, or one without a point")


def svg(panels: Sequence[Panel]) -> str:
    """The panels side by side."""
    drawn = "".join(
        f'<g transform="translate({index * WIDTH} 0)">{_panel(panel)}</g>'
        for index, panel in enumerate(panels)
    )
    size = f'width="{len(panels) * WIDTH}" height="{HEIGHT}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="white"/>{drawn}</svg>\n'
    )


def _panel(panel: Panel) -> str:
    right = max(x for line in panel.lines for x, _ in line.points) or 1.0
    top = 1.1 * max(y for line in panel.lines for _, y in line.points) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across, down = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
        return MARGIN + across * x / right, HEIGHT - MARGIN - down * y / top

    (left, bottom), (end, high) = place(0, 0), place(right, top)
    parts = [
        _text((WIDTH / 2, 18), panel.title, "middle"),
        _text((WIDTH / 2, HEIGHT - 10), panel.x, "middle"),
        _text((8, MARGIN - 14), panel.y, "start"),
        f'<path d="M{left:.1f} {high:.1f}V{bottom:.1f}H{end:.1f}" fill="none" stroke="#888"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        across, down = place(share * right, 0), place(0, share * top)
        parts.append(_text((across[0], bottom + 14), f"{share * right:.3g}", "middle"))
        parts.append(_text((left - 4, down[1] + 4), f"{share * top:.3g}", "end"))
    for index, line in enumerate(panel.lines):
        colour = COLOURS[index % len(COLOURS)]
        points = [(0.0, line.points[0][1]), (right, line.points[0][1])]
        places = [place(*point) for point in (line.points if len(line.points) > 1 else points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dashes = "" if len(line.points) > 1 else ' stroke-dasharray="4 3"'
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
        )
        parts.append(_text((end + 2, places[-1][1] - 4), line.name, "end", colour))
    return "".join(parts)


def _text(place: tuple[float, float], words: str, anchor: str, colour: str = "#222") -> str:
    x, y = place
    style = f'text-anchor="{anchor}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'
