"""The regulariser against its integral worked out by hand, and against the cloud it makes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from jepa_tts.sigreg import directions_of, epps_pulley, sigreg


def by_hand(values: np.ndarray) -> float:
    """The statistic of one column [N]: the same sum in complex numbers, over all 17 points."""
    times = np.linspace(-5.0, 5.0, 17)
    found = np.exp(1j * values[:, None] * times).mean(0)
    normal = np.exp(-(times**2) / 2)
    return float(np.trapezoid(np.abs(found - normal) ** 2 * normal, times))


def test_each_column_has_the_statistic_of_its_values() -> None:
    values = torch.randn(50, 4) * torch.tensor([0.3, 1.0, 2.0, 1.0]) + torch.tensor([0, 0, 0, 3.0])
    got = epps_pulley(values)
    want = [by_hand(column) for column in values.double().numpy().T]
    assert got.tolist() == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("scale", [0.25, 0.5, 1.5])
def test_of_a_scaled_normal_it_is_the_known_integral(scale: float) -> None:
    def moment(power: float) -> float:  # of exp(-power t^2) over all t
        return math.sqrt(math.pi / power)

    want = moment(scale**2 + 0.5) - 2 * moment(scale**2 / 2 + 1.0) + moment(1.5)
    normal = torch.distributions.Normal(0.0, 1.0)
    values = normal.icdf((torch.arange(20_000) + 0.5) / 20_000)  # as even as can be
    assert float(epps_pulley(scale * values[:, None])[0]) == pytest.approx(want, abs=2e-3)
    assert float(epps_pulley(values[:, None])[0]) == pytest.approx(0.0, abs=1e-6)


def test_by_chance_it_is_as_large_as_independent_values_make_it() -> None:
    count = 40
    drawn = epps_pulley(torch.randn(count, 4_000)).mean()
    want = math.sqrt(2 * math.pi) * (1 - 3**-0.5) / count  # of (1 - exp(-t^2)) exp(-t^2 / 2) / N
    assert float(drawn) == pytest.approx(want, rel=0.05)


def test_directions_are_unit_vectors_of_the_generator() -> None:
    made, again = (directions_of(6, torch.Generator().manual_seed(s), 9) for s in (1, 1))
    assert made.shape == (6, 9)
    assert torch.equal(made, again)
    torch.testing.assert_close(made.norm(dim=0), torch.ones(9))
    assert not torch.equal(made, directions_of(6, torch.Generator().manual_seed(2), 9))


def test_it_opens_a_collapsed_cloud() -> None:
    """A line of points, far from the middle, becomes a standard Gaussian in all dimensions."""
    generator = torch.Generator().manual_seed(0)
    line = torch.randn(256, 1, generator=generator) * torch.tensor([[1.0, 0.5, 0.0, 0.0]])
    cloud = (line + 0.02 * torch.randn(256, 4, generator=generator) + 0.5).requires_grad_()
    optimizer = torch.optim.Adam([cloud], lr=0.05)
    first = float(sigreg(cloud, generator).detach())
    for _ in range(300):
        optimizer.zero_grad()
        sigreg(cloud, generator, 32).backward()
        optimizer.step()
    assert float(sigreg(cloud, generator).detach()) < 0.05 * first
    sizes = torch.linalg.eigvalsh(torch.cov(cloud.detach().T))
    assert float(torch.linalg.eigvalsh(torch.cov(line.T))[0]) < 1e-6
    assert 0.7 < float(sizes[0]) < float(sizes[-1]) < 1.8
    assert cloud.detach().mean(0).abs().max() < 0.1
