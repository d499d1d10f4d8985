"""Pictures as text."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from jepa_tts.chart import HEIGHT, MARGIN, WIDTH, Line, Panel, svg

SPACE = "{http://www.w3.org/2000/svg}"


def test_points_lie_where_the_axes_say() -> None:
    line = Line(name="a < b", points=[(0.0, 0.0), (5.0, 10.0)])
    root = ElementTree.fromstring(svg([Panel(title="t", x="x", y="y", lines=[line])]))
    (drawn,) = root.findall(f".//{SPACE}polyline")
    first, last = (tuple(map(float, p.split(","))) for p in drawn.attrib["points"].split())
    assert first == (MARGIN, HEIGHT - MARGIN)
    assert last[0] == WIDTH - MARGIN
    assert last[1] == pytest.approx(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) / 1.1, abs=0.1)
    assert "a < b" in [text.text for text in root.iter(f"{SPACE}text")]


def test_one_point_is_a_level() -> None:
    lines = [Line(name="a", points=[(0, 1), (2, 2)]), Line(name="b", points=[(1, 2)])]
    root = ElementTree.fromstring(svg([Panel(title="t", x="x", y="y", lines=lines)] * 2))
    level = root.findall(f".//{SPACE}polyline")[1]
    ends = [tuple(map(float, p.split(","))) for p in level.attrib["points"].split()]
    assert ends[0][1] == ends[1][1]
    assert (ends[0][0], ends[1][0]) == (MARGIN, WIDTH - MARGIN)
    assert root.attrib["width"] == str(2 * WIDTH)


@pytest.mark.parametrize("lines", [[], [Line(name="a", points=[])]])
def test_nothing_to_draw(lines: list[Line]) -> None:
    with pytest.raises(ValueError, match="the panel 't' has no line"):
        Panel(title="t", x="x", y="y", lines=lines)
