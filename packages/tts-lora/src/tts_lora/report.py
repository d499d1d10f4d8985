"""A report as one HTML file that needs nothing else: tables, bars, and sound inside the page."""

from __future__ import annotations

import base64
import html
import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voice_data.audio import Audio

Cell = str | float | int | bool | None

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:72em;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0;display:block;overflow-x:auto}
th,td{padding:.3em .7em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}
tr.chosen{background:#e8f4ea}
audio{width:13em;height:2.2em}
svg text{font:12px system-ui,sans-serif}
.error{color:#a31515}.warning{color:#8a5a00}.ok{color:#1d6b2a}
@media (prefers-color-scheme:dark){body{background:#161616;color:#ddd}th,td{border-color:#444}
tr.chosen{background:#1e3323}svg text{fill:#ddd}
.error{color:#ff8a8a}.warning{color:#e9c46a}.ok{color:#8fd19e}}
"""
_BAR, _LABEL, _WIDTH = 20, 330, 420  # pixels: height of a bar, room for names, longest bar


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is already escaped."""

    text: str

    def __str__(self) -> str:
        return self.text


def page(title: str, parts: Iterable[Markup]) -> str:
    """A whole document in UTF-8 that loads nothing from anywhere."""
    body = "\n".join(part.text for part in parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def heading(text: str) -> Markup:
    """A section's title."""
    return Markup(f"<h2>{html.escape(text)}</h2>")


def paragraph(text: str, *, tone: str = "") -> Markup:
    """Text; ``tone`` is ``"error"``, ``"warning"``, ``"ok"`` or nothing."""
    kind = f' class="{html.escape(tone)}"' if tone else ""
    return Markup(f"<p{kind}>{html.escape(text)}</p>")


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell | Markup]],
    *,
    chosen: int | None = None,
) -> Markup:
    """Rows under ``columns``; numbers are aligned right, ``chosen`` is the row to point out."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    lines = []
    for index, row in enumerate(rows):
        kind = ' class="chosen"' if index == chosen else ""
        lines.append(f"<tr{kind}>{''.join(_cell(value) for value in row)}</tr>")
    body = "\n".join(lines)
    return Markup(f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>")


def bars(values: Mapping[str, float], *, unit: str = "", limit: int = 60) -> Markup:
    """One bar per name in SVG, the largest first; beyond ``limit`` the rest is only counted."""
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    order = sorted(finite, key=lambda name: -finite[name])
    shown, longest = order[:limit], max((abs(value) for value in finite.values()), default=0.0)
    height = max(len(shown), 1) * _BAR
    lines = [
        _bar(index, name, finite[name], abs(finite[name]) / longest if longest else 0.0, unit)
        for index, name in enumerate(shown)
    ]
    hidden = len(values) - len(shown)
    note = f"<p>{hidden} more are not drawn.</p>" if hidden else ""
    return Markup(
        f'<svg role="img" width="{_LABEL + _WIDTH + 90}" height="{height}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(lines)}</svg>{note}'
    )


def player(audio: Audio) -> Markup:
    """The sound as FLAC inside the page, with a button to play it."""
    from voice_data.audio import write

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.flac"
        write(path, audio)
        data = base64.b64encode(path.read_bytes()).decode("ascii")
    return Markup(f'<audio controls preload="none" src="data:audio/flac;base64,{data}"></audio>')


def figure(value: float | None, digits: int = 3) -> str:
    """A number as a table shows it; a dash where there is none."""
    if value is None:
        return "–"
    if value and abs(value) < 10**-digits:
        return f"{value:.1e}"
    return f"{value:.{digits}f}"


def _bar(index: int, name: str, value: float, share: float, unit: str) -> str:
    top, width = index * _BAR, max(share * _WIDTH, 1.0)
    colour = "#3b7dd8" if value >= 0 else "#c45a4a"
    return (
        f'<text x="{_LABEL - 8}" y="{top + 14}" text-anchor="end">{html.escape(name)}</text>'
        f'<rect x="{_LABEL}" y="{top + 3}" width="{width:.1f}" height="{_BAR - 6}" '
        f'fill="{colour}"/>'
        f'<text x="{_LABEL + width + 6:.1f}" y="{top + 14}">{figure(value)}'
        f"{html.escape(unit)}</text>"
    )


def _cell(value: Cell | Markup) -> str:
    if isinstance(value, Markup):
        return f"<td>{value.text}</td>"
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if value is None or isinstance(value, (int, float)):
        text = str(value) if isinstance(value, int) else figure(value)
        return f'<td class="n">{text}</td>'
    return f"<td>{html.escape(value)}</td>"
