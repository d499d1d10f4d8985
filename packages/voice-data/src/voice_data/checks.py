"""What is checked in a clip: the reason codes, their settings, and one finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from voice_data.consent import Use

Severity = Literal["reject", "fix", "note"]
Action = Literal["drop", "convert", "resample", "segment", "trim", "normalize_text", "review"]

CODES: dict[str, tuple[Severity, Action]] = {
    "missing": ("reject", "drop"),
    "outside": ("reject", "drop"),
    "unreadable": ("reject", "drop"),
    "silent": ("reject", "drop"),
    "clipping": ("reject", "drop"),
    "short": ("reject", "drop"),
    "low_rate": ("reject", "drop"),
    "empty_text": ("reject", "drop"),
    "long_text": ("reject", "drop"),
    "charset": ("reject", "drop"),
    "pace": ("reject", "drop"),
    "duplicate_audio": ("reject", "drop"),
    "consent": ("reject", "drop"),
    "renamed": ("fix", "convert"),
    "encoding": ("fix", "convert"),
    "channels": ("fix", "convert"),
    "rate": ("fix", "resample"),
    "long": ("fix", "segment"),
    "edge_silence": ("fix", "trim"),
    "emoji": ("fix", "normalize_text"),
    "odd_characters": ("fix", "normalize_text"),
    "charset_raw": ("fix", "normalize_text"),
    "name": ("note", "review"),
    "duplicate_text": ("note", "review"),
}
"""Every reason code with its severity and the action that settles it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckConfig:
    """What a clip must be. Lengths are in seconds, levels in dBFS, rates in Hz.

    Texts of fewer than ``pace_min_letters`` (spelled letters, abbreviations) are spoken at any pace
    and compared with ``min_chars_per_second`` and ``max_chars_per_second`` only.
    ``use`` adds the rules of :mod:`voice_data.consent`; None leaves them out.

    >>> CheckConfig(min_seconds=1.0).rates
    (16000, 22050, 24000)

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    rates: tuple[int, ...] = (16_000, 22_050, 24_000)
    min_seconds: float = 0.5
    max_seconds: float = 20.0
    max_chars: int = 1_000
    silence_dbfs: float = -50.0
    edge_silence_seconds: float = 1.0
    max_clipped: float = 0.001
    min_chars_per_second: float = 1.0
    max_chars_per_second: float = 40.0
    pace_deviations: float = 4.0
    pace_min_clips: int = 20
    pace_min_letters: int = 6
    use: Use | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", tuple(self.rates))
        if not self.rates or any(type(rate) is not int or rate < 1 for rate in self.rates):
            raise ValueError(f"CheckConfig.rates must be positive ints in Hz, not {self.rates!r}")
        if not 0 < self.min_seconds < self.max_seconds:
            raise ValueError(
                f"CheckConfig.min_seconds ({self.min_seconds}) must be above 0 and below "
                f"max_seconds ({self.max_seconds})"
            )
        if not 0 < self.min_chars_per_second < self.max_chars_per_second:
            raise ValueError(
                f"CheckConfig.min_chars_per_second ({self.min_chars_per_second}) must be above 0 "
                f"and below max_chars_per_second ({self.max_chars_per_second})"
            )
        if not 0 <= self.max_clipped <= 1:
            raise ValueError(f"CheckConfig.max_clipped must be from 0 to 1, not {self.max_clipped}")
        if self.pace_min_letters < 0:
            raise ValueError(
                f"CheckConfig.pace_min_letters must be 0 or more, not {self.pace_min_letters}"
            )
        if self.max_chars < 1 or self.pace_deviations <= 0 or self.pace_min_clips < 3:
            raise ValueError(
                "CheckConfig: max_chars must be at least 1, pace_deviations above 0 and "
                f"pace_min_clips at least 3, not {self.max_chars}, {self.pace_deviations} and "
                f"{self.pace_min_clips}"
            )
        if self.use is not None and self.use not in get_args(Use):
            allowed = ", ".join(get_args(Use))
            raise ValueError(f"CheckConfig.use must be one of {allowed} or None, not {self.use!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: a code of :data:`CODES`, and the measured value and remedy in
    words."""

    code: str
    detail: str

    @property
    def severity(self) -> Severity:
        """``reject``, ``fix`` or ``note``."""
        return CODES[self.code][0]

    @property
    def action(self) -> Action:
        """What settles it."""
        return CODES[self.code][1]
