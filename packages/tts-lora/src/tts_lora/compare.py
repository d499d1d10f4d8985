"""Two or more adapters side by side: their settings, their weights' directions, their scores."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.report import Markup, bars, figure, heading, page, paragraph, table

if TYPE_CHECKING:
    from tts_lora.delta import Delta

JSON, HTML = "comparison.json", "comparison.html"
_SETTINGS = (
    "peft_type", "r", "lora_alpha", "lora_dropout", "target_modules", "modules_to_save", "use_dora",
    "use_rslora", "rank_pattern", "alpha_pattern", "fan_in_fan_out",
)  # fmt: skip
_CARD = ("base", "description")
_PROVENANCE = ("base_sha256", "sample_rate", "licence", "consent", "data_manifest_sha256")


class CompareError(ValueError):
    """Folders that cannot be compared; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One adapter: its ``settings`` (PEFT's and the card's), size in bytes, and ``figures``.

    ``frobenius`` is the length of all deltas together, ``figures`` what `validate` recorded.
    """

    name: str
    folder: str
    settings: Mapping[str, Any]
    layers: int
    parameters: int
    size: int
    frobenius: float
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two adapters: the cosine of their deltas as a whole and layer by layer, from -1 to 1.

    ``cosine`` is ``None`` if they share no layer; ``only_first`` and ``only_second`` are the layers
    that just one of them changes.
    """

    first: str
    second: str
    cosine: float | None
    layers: Mapping[str, float]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``differences`` maps each setting that is not the same in all to its values, in order."""

    adapters: tuple[Compared, ...]
    differences: Mapping[str, tuple[Any, ...]]
    pairs: tuple[Pair, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def save(self, out: str | os.PathLike[str]) -> tuple[Path, Path]:
        """Write ``comparison.json`` and ``comparison.html`` into ``out``.

        Raises:
            OSError: if the folder cannot be written; the message says what to do.
        """
        from voice_data.storage import write_text

        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / JSON, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")
        write_text(out / HTML, self.page())
        return out / JSON, out / HTML

    def page(self) -> str:
        """The comparison in HTML."""
        return page("Adapters side by side", _parts(self))

    def lines(self) -> list[str]:
        """The comparison for a terminal."""
        return [
            *(
                f"{each.name}: {each.layers} layers, {each.parameters} parameters, "
                f"{each.size / 2**20:.2f} MiB, length {figure(each.frobenius)}"
                for each in self.adapters
            ),
            *(
                f"{key}: {' | '.join(_shown(value) for value in values)}"
                for key, values in self.differences.items()
            ),
            *(f"cosine {p.first} and {p.second}: {figure(p.cosine)}" for p in self.pairs),
            *(
                f"{name}: {' | '.join(figure(each.figures.get(name)) for each in self.adapters)}"
                for name in _figures(self.adapters)
            ),
        ]


def compare(folders: Sequence[str | os.PathLike[str]]) -> Comparison:
    """Compare adapters on disk; nothing is loaded into a model.

    Raises:
        CompareError: if there are fewer than two.
        DeltaError: if one is no LoRA adapter, or two have a layer of that name in other sizes.
    """
    from tts_lora.delta import read_deltas

    if len(folders) < 2:
        raise CompareError(f"comparing needs at least two adapters, not {len(folders)}")
    paths = [Path(folder) for folder in folders]
    names = _names(paths)
    deltas = {name: read_deltas(path) for name, path in zip(names, paths, strict=True)}
    adapters = tuple(
        _compared(name, path, deltas[name]) for name, path in zip(names, paths, strict=True)
    )
    keys = dict.fromkeys(key for each in adapters for key in each.settings)
    table_of = {key: tuple(each.settings.get(key) for each in adapters) for key in keys}
    return Comparison(
        adapters=adapters,
        differences={
            key: values
            for key, values in table_of.items()
            if any(value != values[0] for value in values)
        },
        pairs=tuple(
            _pair(first, second, deltas[first], deltas[second])
            for first, second in itertools.combinations(names, 2)
        ),
    )


def _names(paths: Sequence[Path]) -> list[str]:
    """The folders' names; where two are equal, as much of the path as tells them apart."""
    for count in range(1, max(len(path.absolute().parts) for path in paths) + 1):
        names = ["/".join(path.absolute().parts[-count:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise CompareError(f"the same folder is given twice: {', '.join(map(str, paths))}")


def _compared(name: str, folder: Path, deltas: Mapping[str, Delta]) -> Compared:
    card = _card(folder)
    return Compared(
        name=name,
        folder=str(folder),
        settings={**_settings(folder), **{key: card.get(key) for key in _CARD if key in card}}
        | {key: card.get("provenance", {})[key] for key in _PROVENANCE if "provenance" in card},
        layers=len(deltas),
        parameters=sum(each.a.numel() + each.b.numel() for each in deltas.values()),
        size=sum(file.stat().st_size for file in folder.glob("*.safetensors")),
        frobenius=math.sqrt(sum(each.frobenius**2 for each in deltas.values())),
        figures=_recorded(card),
    )


def _settings(folder: Path) -> dict[str, Any]:
    from tts_lora.delta import read_settings

    values = read_settings(folder)
    return {
        key: sorted(values[key]) if isinstance(values[key], list) else values[key]
        for key in _SETTINGS
        if values.get(key) not in (None, {}, [])
    }


def _card(folder: Path) -> dict[str, Any]:
    """The card's values; nothing for a PEFT folder from elsewhere, which has none."""
    from tts_lora.card import VOICE, VoiceCard

    return asdict(VoiceCard.read(folder)) if (folder / VOICE).is_file() else {}


def _recorded(card: Mapping[str, Any]) -> dict[str, float]:
    """The figures of the last validation: those of the adapter itself."""
    rows = card.get("metrics", {}).get("validation", {}).get("rows", {})
    return {name: float(value) for name, value in rows.get("adapter", {}).items()}


def _pair(first: str, second: str, one: Mapping[str, Delta], two: Mapping[str, Delta]) -> Pair:
    shared = [layer for layer in one if layer in two]
    cosines = {layer: one[layer].cosine(two[layer]) for layer in shared}
    inner = sum(one[layer].inner(two[layer]) for layer in shared)
    length = math.sqrt(
        sum(one[layer].frobenius ** 2 for layer in shared)
        * sum(two[layer].frobenius ** 2 for layer in shared)
    )
    return Pair(
        first=first,
        second=second,
        cosine=inner / length if length > 0 else None,
        layers={layer: value for layer, value in cosines.items() if value is not None},
        only_first=tuple(layer for layer in one if layer not in two),
        only_second=tuple(layer for layer in two if layer not in one),
    )


def _parts(comparison: Comparison) -> Iterator[Markup]:
    adapters = comparison.adapters
    names = [each.name for each in adapters]
    yield table(
        ["adapter", "layers", "parameters", "MiB", "length of all deltas"],
        [
            (each.name, each.layers, each.parameters, each.size / 2**20, each.frobenius)
            for each in adapters
        ],
    )
    yield heading("Settings that differ")
    if comparison.differences:
        rows = [
            [key, *(_shown(value) for value in values)]
            for key, values in comparison.differences.items()
        ]
        yield table(["setting", *names], rows)
    else:
        yield paragraph("None.")
    yield heading("Scores")
    figures = _figures(adapters)
    if figures:
        rows = [[name, *(each.figures.get(name) for each in adapters)] for name in figures]
        yield table(["score", *names], rows)
    else:
        yield paragraph("None is recorded: run `tts-lora validate` on each.", tone="warning")
    for pair in comparison.pairs:
        yield heading(f"{pair.first} and {pair.second}: cosine {figure(pair.cosine)}")
        yield bars(pair.layers)
        for name, layers in ((pair.first, pair.only_first), (pair.second, pair.only_second)):
            if layers:
                yield paragraph(f"Only in {name}: {', '.join(layers)}", tone="warning")


def _figures(adapters: Sequence[Compared]) -> list[str]:
    return list(dict.fromkeys(name for each in adapters for name in each.figures))


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
