"""What a loss says of its size: by ``positions`` the losses of parts make up that of the whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from voice_data.speech import Encoded, SpeechModel


def check_positions(
    model: SpeechModel, encoded: Sequence[Encoded], expected: Sequence[int], part: str = ""
) -> None:
    """Each clip's loss counts its positions; with ``part``, the whole is their weighted mean."""
    model.network.eval()
    with torch.no_grad():
        together = model.loss(model.collate(encoded))
        alone = [model.loss(model.collate([clip])) for clip in encoded]
    assert [each.positions for each in alone] == list(expected)
    assert len(set(expected)) > 1  # clips of one length would show nothing
    assert together.positions == sum(expected)
    if part:
        weighted = sum(each.parts[part] * each.positions for each in alone) / sum(expected)
        assert together.parts[part] == pytest.approx(weighted, rel=1e-4)
