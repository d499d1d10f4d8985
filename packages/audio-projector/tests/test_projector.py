"""The projector: sizes, shapes, what each part reads, and equality with the plain formula."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from audio_projector.config import ProjectorConfig
from audio_projector.projector import Batch, DimensionError, Projector
from voice_data.config import ConfigError

CONFIG = ProjectorConfig(
    llm_width=12, tts_width=6, layers=(1, 3), width=16, feed_forward=24, heads=2, blocks=1
)


def make_batch(rows: tuple[int, ...] = (7, 4), tokens: int = 3, layers: int = 2) -> Batch:
    longest = max(rows)
    mask = torch.arange(longest) < torch.tensor(rows)[:, None]
    token = (torch.arange(longest) * tokens // longest).expand(len(rows), -1).contiguous()
    return Batch(
        values=torch.randn(len(rows), tokens, layers, 12),
        token=token,
        place=torch.randint(0, 4, token.shape),
        byte=torch.randint(0, 256, token.shape),
        mask=mask,
    )


@pytest.mark.parametrize("kind", ["linear", "mlp", "resampler"])
@pytest.mark.parametrize("fusion", ["none", "gated"])
@pytest.mark.parametrize("spelling", [True, False])
def test_every_choice_gives_states_of_the_speech_model(
    kind: Any, fusion: Any, spelling: bool
) -> None:
    config = replace(CONFIG, kind=kind, fusion=fusion, spelling=spelling)
    projector, batch = Projector(config), make_batch()
    out = projector(batch, torch.randn(2, 7, 6))
    assert out.shape == (2, 7, 6)
    assert float(out.detach()[1, 4:].abs().max()) == 0.0
    out.sum().backward()
    missing = [name for name, p in projector.named_parameters() if p.grad is None]
    assert missing == []


def test_linear_is_a_linear_layer_a_norm_and_an_activation() -> None:
    config = replace(CONFIG, kind="linear", layers=(3,), spelling=False)
    projector, batch = Projector(config), make_batch(layers=1)
    first = projector.lead_in
    plain = nn.functional.gelu(projector.norm(first(batch.values[:, :, 0])))
    wanted = plain.gather(1, batch.token[..., None].expand(-1, -1, 6)) * batch.mask[..., None]
    torch.testing.assert_close(projector(batch), wanted)


def test_the_seed_size_has_eight_million_parameters() -> None:
    config = ProjectorConfig(
        llm_width=4096, tts_width=2048, layers=(32,), kind="linear", spelling=False
    )
    with torch.device("meta"):
        assert 8.0e6 < Projector(config).size() < 8.5e6


def test_the_default_is_small() -> None:
    with torch.device("meta"):
        assert Projector(ProjectorConfig(llm_width=576, tts_width=256)).size() < 3_000_000


def test_padding_changes_nothing() -> None:
    projector, batch = Projector(CONFIG).eval(), make_batch()
    alone = Batch(batch.values[1:], *(part[1:, :4] for part in batch[1:]))
    torch.testing.assert_close(projector(alone)[0], projector(batch)[1, :4])


def test_layers_are_standardised_and_mixed_by_their_weights() -> None:
    projector = Projector(CONFIG)
    values = torch.randn(500, 2, 12) * torch.tensor([1.0, 30.0])[:, None] + 5.0
    projector.mix.fit(values)
    standard = (values - values.mean(0)) / values.std(0)
    torch.testing.assert_close(projector.mix(values), standard.mean(1), atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        projector.mix.weight.copy_(torch.tensor([-20.0, 20.0]))
    torch.testing.assert_close(projector.mix(values), standard[:, 1], atol=1e-5, rtol=1e-4)


def test_a_gate_begins_near_the_text() -> None:
    projector, batch = Projector(replace(CONFIG, fusion="gated")), make_batch()
    text = torch.randn(2, 7, 6)
    plain = Projector(CONFIG)
    plain.load_state_dict(projector.state_dict(), strict=False)
    gate = torch.sigmoid(torch.tensor(-2.0))
    wanted = (text + gate * (plain(batch) - text)) * batch.mask[..., None]
    torch.testing.assert_close(projector(batch, text), wanted)


def test_random_states_say_nothing_of_the_text() -> None:
    projector = Projector(replace(CONFIG, source="random")).eval()
    batch = make_batch()
    other = batch._replace(values=torch.randn_like(batch.values))
    assert torch.equal(projector(batch), projector(other))
    assert not torch.equal(Projector(CONFIG)(batch), Projector(CONFIG)(other))


def test_states_of_another_model_are_refused() -> None:
    projector, batch = Projector(CONFIG), make_batch()
    with pytest.raises(DimensionError, match=r"states are \[2, 11\] .* reads \[2, 12\]"):
        projector(batch._replace(values=batch.values[..., :-1]))
    with pytest.raises(DimensionError, match=r"\[1, 12\]"):
        projector(batch._replace(values=batch.values[:, :, :1]))
    gated = Projector(replace(CONFIG, fusion="gated"))
    with pytest.raises(DimensionError, match="6 wide and got nothing"):
        gated(batch)
    with pytest.raises(DimensionError, match="got states 5 wide"):
        gated(batch, torch.randn(2, 7, 5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width must be at least 1"),
        ({"kind": "rnn"}, "kind must be one of linear, mlp, resampler"),
        ({"fusion": "sum"}, "fusion must be one of none, gated"),
        ({"layers": ()}, "layers must be different numbers"),
        ({"layers": (1, 1)}, "layers must be different numbers"),
        ({"width": 18, "heads": 4}, "even multiple of heads"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **change)


def test_settings_survive_a_file() -> None:
    assert ProjectorConfig.from_dict(CONFIG.to_dict()) == CONFIG
    with pytest.raises(ConfigError, match="depth"):
        ProjectorConfig.from_dict({**CONFIG.to_dict(), "depth": 3})
