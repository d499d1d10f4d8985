"""What is wrong with an adapter, as codes that a program can read, with what to do about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]

# Code -> how bad it is, and the remedy.
CODES: Mapping[str, tuple[Severity, str]] = {
    "not-finite": (
        "error",
        "the training diverged: go back to an earlier checkpoint and lower the learning rate",
    ),
    "no-effect": (
        "error",
        "nothing was learnt or the adapter is not applied: train longer, check the targets, and "
        "check that the base is the one it was trained on",
    ),
    "inaudible": (
        "warning",
        "the adapter is too weak to be heard, or generation does not go through the adapted "
        "layers: train longer, and check the family",
    ),
    "idle-layers": (
        "warning",
        "these layers learnt nothing: they may be unused by the loss; leave them out of the "
        "targets",
    ),
    "exploded": (
        "error",
        "the adapter outweighs the base: lower alpha or the learning rate, or train fewer steps",
    ),
    "rewritten": (
        "warning",
        "a head of few outputs, such as durations, says other things than the base's: listen to "
        "what it decides",
    ),
    "merge-differs": (
        "error",
        "do not ship the merged weights: serve the adapter unmerged, or merge in float32",
    ),
    "reload-differs": (
        "error",
        "the folder is not what runs: save the adapter again, and check its type and its keys",
    ),
    "silent": (
        "error",
        "the adapter speaks silence where the base speaks: train less or at a lower rate",
    ),
    "misaligned": (
        "error",
        "training and generation disagree: the family is wrong, do not trust the loss",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault: a code of `CODES`, and what exactly was seen.

    >>> Finding(code="no-effect", detail="all 4 deltas are zero").severity
    'error'

    Raises:
        KeyError: if there is no such code.
    """

    code: str
    detail: str

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(f"unknown finding {self.code!r}; valid: {', '.join(CODES)}")

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CODES[self.code][0]

    @property
    def remedy(self) -> str:
        """What to do."""
        return CODES[self.code][1]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "severity": self.severity, "remedy": self.remedy}
