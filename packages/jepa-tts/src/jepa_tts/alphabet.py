"""What the model reads: UTF-8 bytes between two marks. Torch is not needed here."""

from __future__ import annotations

PAD, BEGIN, END = 0, 1, 2
OFFSET = 3
VOCABULARY = 256 + OFFSET


def to_bytes(text: str) -> list[int]:
    """Byte ids of a text between BEGIN and END.

    >>> to_bytes("hi")
    [1, 107, 108, 2]
    """
    return [BEGIN, *(byte + OFFSET for byte in text.encode("utf-8")), END]
