"""Which checkpoint to keep: by what it says and whom it sounds like, not by its loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class SelectionError(ValueError):
    """A table that nothing can be chosen from; the message says what it lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionConfig:
    """``wer_margin`` is how much worse than the base a checkpoint's word error rate may be, and
    ``degradation_margin`` how much worse the base's other voices may become; both are shares, so
    0.03 is three points. Similarities less than ``tie`` apart are equal: the better MOS decides.
    """

    wer_margin: float = 0.03
    degradation_margin: float = 0.05
    tie: float = 0.005

    def __post_init__(self) -> None:
        for name in ("wer_margin", "degradation_margin", "tie"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise SelectionError(f"SelectionConfig.{name} must be 0 or more, not {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A checkpoint with its figures; ``None`` is one that was not measured.

    ``degradation`` is the word error rate of the base's other voices with the adapter on, less the
    same with it off.
    """

    name: str
    wer: float | None = None
    similarity: float | None = None
    mos: float | None = None
    degradation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """``chosen`` is the best candidate's name, ``None`` if all were ``refused`` (name -> reason).

    ``why`` says in one sentence what decided.
    """

    chosen: str | None
    why: str
    refused: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"chosen": self.chosen, "why": self.why, "refused": dict(self.refused)}


def select(
    candidates: Sequence[Candidate],
    *,
    base_wer: float | None,
    config: SelectionConfig | None = None,
) -> Selection:
    """The candidate that passes both gates and has the best similarity, then MOS, then WER.

    >>> told = [Candidate(name="a", wer=0.1, similarity=0.8), Candidate(name="b", wer=0.1)]
    >>> select(told, base_wer=0.1).chosen
    'a'

    Raises:
        SelectionError: if there are no candidates, or none was measured at all.
    """
    config = config or SelectionConfig()
    if not candidates:
        raise SelectionError("there is no checkpoint to choose from: train one first")
    if not any(_measured(each) for each in candidates):
        raise SelectionError("no candidate has a figure: measure wer, similarity or distillmos")
    reasons = {each.name: _objection(each, base_wer, config) for each in candidates}
    refused = {name: reason for name, reason in reasons.items() if reason}
    passed = [each for each in candidates if each.name not in refused]
    if not passed:
        return Selection(
            chosen=None,
            why="every checkpoint fails a gate: train less, at a lower rate, or on more clips",
            refused=refused,
        )
    best = _best(passed, config)
    return Selection(chosen=best.name, why=_why(best, passed, config), refused=refused)


def _objection(each: Candidate, base_wer: float | None, config: SelectionConfig) -> str:
    if each.wer is not None and base_wer is not None and each.wer > base_wer + config.wer_margin:
        return (
            f"WER {each.wer:.1%} is over the base's {base_wer:.1%} + "
            f"{100 * config.wer_margin:g} points"
        )
    if each.degradation is not None and each.degradation > config.degradation_margin:
        return (
            f"the base's other voices lose {100 * each.degradation:.1f} points of WER, "
            f"{100 * config.degradation_margin:g} are allowed"
        )
    return ""


def _best(passed: Sequence[Candidate], config: SelectionConfig) -> Candidate:
    top = max(_or_lowest(each.similarity) for each in passed)
    peers = [each for each in passed if _or_lowest(each.similarity) >= top - config.tie]
    return max(peers, key=lambda each: (_or_lowest(each.mos), -_or_highest(each.wer)))


def _why(best: Candidate, passed: Sequence[Candidate], config: SelectionConfig) -> str:
    figures = []
    if best.similarity is not None:
        rivals = [e.similarity for e in passed if e is not best and e.similarity is not None]
        tied = any(abs(value - best.similarity) <= config.tie for value in rivals)
        figures.append(
            f"similarity {best.similarity:.3f}" + (", level with others" if tied else "")
        )
    if best.mos is not None:
        figures.append(f"MOS {best.mos:.2f}")
    if best.wer is not None:
        figures.append(f"WER {best.wer:.1%}")
    return f"the best of {len(passed)} that pass the gates: {'; '.join(figures)}"


def _measured(each: Candidate) -> bool:
    return not (each.wer is None and each.similarity is None and each.mos is None)


def _or_lowest(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value


def _or_highest(value: float | None) -> float:
    return math.inf if value is None or math.isnan(value) else value
