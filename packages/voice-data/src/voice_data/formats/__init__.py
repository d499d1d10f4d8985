"""Data sets in every common dialect: read them, convert them, lose nothing.

>>> sorted(DIALECTS)
['commonvoice', 'csv', 'hf', 'json', 'jsonl', 'librispeech', 'ljspeech', 'pipe', 'tab']
"""

from __future__ import annotations

from voice_data.formats.conversion import (
    DIALECTS,
    Conversion,
    LossError,
    convert,
    read_dataset,
    write_index,
)
from voice_data.formats.documents import from_rows, to_rows
from voice_data.formats.sniffing import sniff

__all__ = [
    "DIALECTS",
    "Conversion",
    "LossError",
    "convert",
    "from_rows",
    "read_dataset",
    "sniff",
    "to_rows",
    "write_index",
]
