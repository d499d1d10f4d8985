"""A head that draws embeddings: what it learns, and that it follows its settings."""

from __future__ import annotations

import compare_heads
import pytest
import torch
from compare_heads import EXPECTED, DrawingHead, Seen

from jepa_tts.config import SIZES
from jepa_tts.model import JepaModel


@pytest.fixture(scope="module")
def two_sided() -> Seen:
    """What is expected is zero; what is true is 1 or -1, whatever the state."""
    generator = torch.Generator().manual_seed(0)
    true = torch.randint(0, 2, (4000, 1), generator=generator) * 2.0 - 1.0
    return Seen(torch.zeros(4000, 4), torch.zeros(4000, 1), true)


@pytest.fixture(scope="module")
def head(two_sided: Seen) -> DrawingHead:
    return compare_heads.taught(two_sided, 400, seed=0)


@torch.inference_mode()
def test_draws_are_what_is_true_and_not_its_mean(two_sided: Seen, head: DrawingHead) -> None:
    noise = torch.randn(500, 1, generator=torch.Generator().manual_seed(1))
    drawn = head.draw(two_sided.states[:500], two_sided.expected[:500], 1.0, 16, noise)
    assert float((drawn.abs() - 1.0).abs().mean()) < 0.25
    assert abs(float(drawn.mean())) < 0.2


@torch.inference_mode()
def test_without_noise_or_with_one_step_little_is_drawn(head: DrawingHead) -> None:
    noise, none = torch.randn(200, 1), torch.zeros(200, 1)
    state = torch.zeros(200, 4)
    cold = head.draw(state, none, 0.0, 4, noise)
    assert torch.equal(cold, cold[:1].expand_as(cold))
    once = head.draw(state, none, 1.0, 1, noise)
    assert float(once.abs().mean()) < 0.4  # of Euler in one step comes the mean


@torch.inference_mode()
def test_running_free_without_a_head_is_what_the_model_generates() -> None:
    torch.manual_seed(0)
    model = JepaModel(SIZES["tiny"]).eval()
    plan = model.plan(torch.tensor([[1, 70, 71, 72, 2]]), torch.zeros(1, 32))
    made = compare_heads.run_free(model, plan, None, 0.0, 0)
    want, _ = model.generate(plan)
    frames = min(made.shape[1], want.shape[1])
    torch.testing.assert_close(made[:, :frames], want[:, :frames])
    scale = torch.ones(model.config.latent)
    untaught = DrawingHead(model.config.width, model.config.latent, scale)
    drawn = compare_heads.run_free(model, plan, untaught, 1.0, 2)
    assert drawn.shape == made.shape
    assert not torch.allclose(drawn[:, :frames], made[:, :frames])


def test_the_table_says_which_head() -> None:
    figures = {"wer": 0.05, "distillmos": 4.0, "change": 0.5}
    assert "| expected | 0.050 | 4.00 | 0.500 |" in compare_heads.table({EXPECTED: figures}, 2)
