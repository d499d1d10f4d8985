"""Judge an adapter in Python: what changed, what is wrong, which checkpoint is best.

python judge.py ADAPTER
"""

from __future__ import annotations

import sys

from tts_lora import assess
from tts_lora.validate import ValidateConfig


def main(adapter: str) -> None:
    """Print the table's headline, the findings and the choice."""
    found = assess(adapter, ValidateConfig(metrics=("wer", "similarity"), limit=5))
    for row in found.standings:
        print(f"{row.name:16} WER {row.mean('wer'):.1%}  similarity {row.mean('similarity'):.3f}")  # noqa: T201
    for finding in found.probe.findings if found.probe else ():
        print(f"{finding.severity}: {finding.code}, {finding.detail}; {finding.remedy}")  # noqa: T201
    print(found.selection)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
