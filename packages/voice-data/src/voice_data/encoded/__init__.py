"""Training sets for one speech model: recordings checked, resampled, encoded once and cached."""

from voice_data.encoded.clips import (
    INDEX,
    EncodedClip,
    EncodedSet,
    EncodedSetError,
    Index,
    read_index,
)
from voice_data.encoded.preparation import prepare
from voice_data.encoded.sources import PrepareConfig, PrepareError, SourceConfig, Survey, survey

__all__ = [
    "INDEX",
    "EncodedClip",
    "EncodedSet",
    "EncodedSetError",
    "Index",
    "PrepareConfig",
    "PrepareError",
    "SourceConfig",
    "Survey",
    "prepare",
    "read_index",
    "survey",
]
