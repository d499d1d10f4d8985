"""What validating an adapter found: one row per system, the base's other voices, the choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tts_lora.probe import Probe
    from tts_lora.selection import Selection
    from voice_data.score import Statistic

Kind = Literal["recording", "base", "prompt", "adapter", "checkpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One system on the held-out sentences.

    ``recording`` is the person, ``base`` the base model in its own voice, ``prompt`` the base told
    the person's voice without the adapter. ``figures`` are by the names of voice-data's scores,
    ``degradation`` is the mean change of the word error rate of the base's other voices.
    """

    name: str
    kind: Kind
    folder: str
    figures: Mapping[str, Statistic]
    degradation: float | None = None

    def mean(self, figure: str) -> float | None:
        """The mean of one figure, ``None`` where it was not measured."""
        found = self.figures.get(figure)
        return None if found is None else found.mean

    @property
    def similarity_share(self) -> float | None:
        """Similarity as a share of the person's own, sentence against sentence."""
        similarity, ceiling = self.mean("similarity"), self.mean("similarity_ceiling")
        return similarity / ceiling if similarity is not None and ceiling else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVoice:
    """A voice of the base, spoken with an adapter off and on: word error rates, and how similar
    the second is to the first as a share of how similar the first is to itself.
    """

    system: str
    voice: str
    base_wer: float | None
    wer: float | None
    likeness: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The whole table; ``settings`` tells how it was measured."""

    adapter: str
    standings: tuple[Standing, ...]
    others: tuple[OtherVoice, ...]
    probe: Probe | None
    selection: Selection | None
    settings: Mapping[str, Any]

    def standing(self, kind: Kind) -> Standing | None:
        """The first row of that kind."""
        return next((each for each in self.standings if each.kind == kind), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "adapter": self.adapter,
            "settings": dict(self.settings),
            "rows": [_row(each) for each in self.standings],
            "other_voices": [asdict(each) for each in self.others],
            "probe": None if self.probe is None else self.probe.to_dict(),
            "selection": None if self.selection is None else self.selection.to_dict(),
        }


def _row(standing: Standing) -> dict[str, Any]:
    return {
        "name": standing.name,
        "kind": standing.kind,
        "folder": standing.folder,
        "similarity_share": standing.similarity_share,
        "degradation": standing.degradation,
        "figures": {name: asdict(value) for name, value in standing.figures.items()},
    }
