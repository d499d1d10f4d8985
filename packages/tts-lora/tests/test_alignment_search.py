"""Monotonic alignment search against every path that there is."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from tts_lora.families.alignment_search import monotonic_path


def _best(scores: torch.Tensor) -> tuple[float, list[int]]:
    """The best sum of all ways to cut F frames into N runs, and its tokens."""
    frames, tokens = scores.shape
    found = []
    for cuts in combinations(range(1, frames), tokens - 1):
        edges = [0, *cuts, frames]
        said = [n for n in range(tokens) for _ in range(edges[n], edges[n + 1])]
        found.append((sum(float(scores[f, n]) for f, n in enumerate(said)), said))
    return max(found)


@pytest.mark.parametrize(("frames", "tokens"), [(1, 1), (5, 1), (4, 4), (7, 3), (9, 5)])
def test_the_path_is_the_best_of_all(frames: int, tokens: int) -> None:
    torch.manual_seed(frames)
    for _ in range(5):
        scores = torch.randn(1, frames, tokens)
        path = monotonic_path(scores, torch.tensor([frames]), torch.tensor([tokens]))
        total, said = _best(scores[0])
        assert path[0].int().argmax(1).tolist() == said
        assert path.sum() == frames
        assert float(scores[path].sum()) == pytest.approx(total, rel=1e-5)


def test_rows_of_any_length_go_together() -> None:
    torch.manual_seed(0)
    scores = torch.randn(3, 8, 4)
    frames, tokens = torch.tensor([8, 5, 2]), torch.tensor([2, 4, 1])
    path = monotonic_path(scores, frames, tokens)
    for row, (length, width) in enumerate(zip(frames.tolist(), tokens.tolist(), strict=True)):
        part = scores[row : row + 1, :length, :width]
        alone = monotonic_path(part, frames[row : row + 1], tokens[row : row + 1])
        assert torch.equal(path[row, :length, :width], alone[0])
        assert path[row].sum() == length


def test_more_tokens_than_frames_have_no_path() -> None:
    with pytest.raises(ValueError, match="row 1 has 4 tokens in 3 frames"):
        monotonic_path(torch.zeros(2, 4, 4), torch.tensor([4, 3]), torch.tensor([4, 4]))
