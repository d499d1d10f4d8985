from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import nn

from voice_data.config import ConfigError, from_mapping
from voice_hypernet.config import HEADS, HypernetConfig, LoraShape
from voice_hypernet.functional import adapted
from voice_hypernet.hypernet import Factors, Hypernetwork, mixed, scaled
from voice_hypernet.targets import Group, TargetError, adapted_parameters, find_groups, kind_of


class Stack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleDict({"q": nn.Linear(8, 8), "up": nn.Linear(8, 12), "down": nn.Linear(12, 8)})
            for _ in range(3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = x + layer["down"](torch.tanh(layer["up"](layer["q"](x))))  # pyright: ignore
        return x


@pytest.fixture
def network() -> Stack:
    torch.manual_seed(0)
    return Stack().requires_grad_(False)


def config(head: str = "by-rank", rank: int = 2) -> HypernetConfig:
    lora = LoraShape(rank=rank, alpha=2.0 * rank)
    return HypernetConfig(lora=lora, condition=5, width=16, inner=32, blocks=2, head=head)  # pyright: ignore


def test_groups_gather_a_kind_over_all_depths(network: Stack) -> None:
    up, q = find_groups(network, ["q", "up"])[1], find_groups(network, ["q", "up"])[0]
    assert (q.kind, up.kind) == ("layers.*.q", "layers.*.up")
    assert up.names == ("layers.0.up", "layers.1.up", "layers.2.up")
    assert (up.inputs, up.outputs) == (8, 12)
    assert adapted_parameters((q, up), rank=2) == 2 * 3 * (16 + 20)


def test_a_target_that_matches_nothing_lists_near_names(network: Stack) -> None:
    with pytest.raises(TargetError, match=r"no linear layer is named 'dwn'.*down"):
        find_groups(network, ["dwn"])


def test_a_suffix_is_made_of_whole_parts() -> None:
    network = nn.ModuleDict({"out": nn.Linear(2, 2), "layout": nn.Linear(2, 2)})
    assert find_groups(network, ["out"])[0].names == ("out",)
    assert kind_of("a1.2.b.33") == "a1.*.b.*"


@pytest.mark.parametrize("head", HEADS)
def test_step_zero_is_the_base_model_exactly(network: Stack, head: str) -> None:
    groups = find_groups(network, ["q", "up", "down"])
    hypernet = Hypernetwork(config(head), groups)
    x = torch.randn(4, 7, 8)
    with adapted(network, groups, hypernet(torch.randn(4, 5)), scale=2.0):
        assert torch.equal(network(x), network.forward(x))
        made = network(x)
    assert torch.equal(made, network(x))


@pytest.mark.parametrize("head", HEADS)
def test_every_row_has_its_own_adapter(network: Stack, head: str) -> None:
    groups = find_groups(network, ["q", "up", "down"])
    hypernet = Hypernetwork(config(head), groups)
    _disturb(hypernet)
    adapters = hypernet(torch.randn(3, 5))
    x = torch.randn(3, 7, 8)
    with adapted(network, groups, adapters, scale=0.5):
        together = network(x)
    for row in range(3):
        merged = Stack()
        merged.load_state_dict(network.state_dict())
        for group in groups:
            for depth, name in enumerate(group.names):
                a, b = adapters[group.kind].a[row, depth], adapters[group.kind].b[row, depth]
                merged.get_submodule(name).weight.data += 0.5 * b @ a  # pyright: ignore
        torch.testing.assert_close(together[row], merged(x[row : row + 1])[0], atol=1e-5, rtol=0)
    assert not torch.allclose(together, network(x), atol=1e-3)


def test_gradients_reach_every_parameter_and_not_the_base(network: Stack) -> None:
    groups = find_groups(network, ["q", "down"])
    hypernet = Hypernetwork(config(), groups)
    _disturb(hypernet)
    with adapted(network, groups, hypernet(torch.randn(2, 5)), scale=1.0):
        network(torch.randn(2, 3, 8)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in hypernet.parameters())
    assert all(p.grad is None for p in network.parameters())


def test_hooks_are_gone_after_an_error(network: Stack) -> None:
    groups = find_groups(network, ["q"])
    adapters = Hypernetwork(config(), groups)(torch.randn(2, 5))
    with (
        pytest.raises(ValueError, match=r"layers.0.q was given 3 rows, which 2 adapters"),
        adapted(network, groups, adapters, scale=1.0),
    ):
        network(torch.randn(3, 4, 8))
    assert not network.layers[0]["q"]._forward_hooks  # pyright: ignore


def test_another_base_is_named(network: Stack) -> None:
    groups = (Group(kind="z", names=("z.0",), inputs=8, outputs=8),)
    adapters = Hypernetwork(config(), groups)(torch.randn(1, 5))
    with (
        pytest.raises(TargetError, match=r"no layer 'z\.0'"),
        adapted(network, groups, adapters, scale=1.0),
    ):
        pass


def test_strength_and_mixture_act_on_the_weight_change() -> None:
    one = {"q": Factors(torch.randn(1, 2, 3, 4), torch.randn(1, 2, 5, 3))}
    two = {"q": Factors(torch.randn(1, 2, 2, 4), torch.randn(1, 2, 5, 2))}

    def change(adapters: dict[str, Factors]) -> torch.Tensor:
        return adapters["q"].b @ adapters["q"].a

    torch.testing.assert_close(change(scaled(one, 0.25)), 0.25 * change(one))
    both = mixed([(one, 0.7), (two, 0.3)])
    torch.testing.assert_close(change(both), 0.7 * change(one) + 0.3 * change(two))
    with pytest.raises(ValueError, match="nothing to mix"):
        mixed([])
    with pytest.raises(ValueError, match=r"different layers.*'q', 'v'"):
        mixed([(one, 0.5), ({"v": two["q"]}, 0.5)])


@pytest.mark.parametrize("head", HEADS)
def test_it_learns_a_different_adapter_for_each_condition(network: Stack, head: str) -> None:
    groups = find_groups(network, ["q", "up", "down"])
    torch.manual_seed(1)
    hypernet = Hypernetwork(config(head), groups)
    conditions, x = torch.eye(5)[:4], torch.randn(1, 6, 8).expand(4, -1, -1)
    wanted = network(x) + torch.linspace(-0.5, 0.5, 4)[:, None, None]
    optimizer = torch.optim.Adam(hypernet.parameters(), 0.01)
    losses = []
    for _ in range(150):
        with adapted(network, groups, hypernet(conditions), scale=2.0):
            loss = (network(x) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]


def test_config_refuses_what_it_does_not_know() -> None:
    assert from_mapping(HypernetConfig, asdict(config())) == config()
    with pytest.raises(ConfigError, match="widht"):
        from_mapping(HypernetConfig, {"widht": 3})
    with pytest.raises(ConfigError, match=r"lora\.r"):
        from_mapping(HypernetConfig, {"lora": {"r": 3}})
    with pytest.raises(ValueError, match=r"LoraShape.rank must be a positive integer, not 0"):
        LoraShape(rank=0)
    with pytest.raises(ValueError, match=r"LoraShape.alpha must be positive, not 0"):
        LoraShape(alpha=0.0)
    with pytest.raises(ValueError, match="targets must be a list of names, not 'q'"):
        LoraShape(targets="q")  # pyright: ignore
    with pytest.raises(ValueError, match="head must be one of"):
        config("tail")
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), not 1"):
        HypernetConfig(dropout=1.0)


def _disturb(hypernet: Hypernetwork) -> None:
    for head in hypernet.heads:
        nn.init.normal_(head.linear.weight, std=0.1)  # pyright: ignore
        nn.init.normal_(head.b, std=0.1)  # pyright: ignore
