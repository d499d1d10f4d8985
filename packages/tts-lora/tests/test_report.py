"""Pages that parse, escape what users wrote, and carry their sound with them."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from tts_lora.report import bars, figure, heading, page, paragraph, player, table
from voice_data.audio import Audio, read

VOID = {"meta", "link", "br", "img"}


class Outline(HTMLParser):
    """Which elements there are, what they say and which addresses they name."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parsed(text: str) -> Outline:
    outline = Outline()
    outline.feed(text)
    outline.close()
    assert outline.open == []
    return outline


def test_a_page_is_whole_and_escapes_text() -> None:
    parts = [heading("<b>"), paragraph("a & b", tone="error"), table(["<i>"], [["<script>"], [1]])]
    text = page("Voice <1>", parts)
    outline = parsed(text)
    assert "<script>" not in text
    assert {"Voice <1>", "<b>", "a & b", "<i>", "<script>", "1"} <= set(outline.words)
    assert outline.addresses == []  # nothing is fetched


def test_a_table_shows_numbers_and_gaps() -> None:
    text = table(["n", "v"], [["a", 0.12345], ["b", None], ["c", True]], chosen=1).text
    assert '<td class="n">0.123</td>' in text
    assert '<td class="n">–</td>' in text
    assert "<td>yes</td>" in text
    assert text.index('<tr class="chosen">') < text.index("<td>b</td>") < text.index("<td>c</td>")


def test_bars_are_sorted_and_proportional() -> None:
    text = bars({"low": 1.0, "high": 4.0, "none": float("nan")}, unit=" %").text
    svg = ElementTree.fromstring(text[: text.index("</svg>") + 6])
    space = "{http://www.w3.org/2000/svg}"
    names = [each.text for each in svg.iter(f"{space}text")][::2]
    widths = [float(each.attrib["width"]) for each in svg.iter(f"{space}rect")]
    assert names == ["high", "low"]
    assert widths[0] == 4 * widths[1]
    assert "1 more are not drawn" in text
    assert "<rect" not in bars({}).text


def test_a_player_holds_the_sound(tmp_path: Path) -> None:
    samples = (0.5 * np.sin(np.arange(2_400) / 10)).astype(np.float32)
    outline = parsed(player(Audio(samples, 24_000)).text)
    (address,) = outline.addresses
    match = re.fullmatch(r"data:audio/flac;base64,(.+)", address)
    assert match
    (tmp_path / "a.flac").write_bytes(base64.b64decode(match[1]))
    back = read(tmp_path / "a.flac")
    assert back.rate == 24_000
    np.testing.assert_allclose(back.samples, samples, atol=1e-4)


def test_figures() -> None:
    assert figure(None) == "–"
    assert figure(0.5) == "0.500"
    assert figure(0.0) == "0.000"
    assert figure(0.00001) == "1.0e-05"
