"""The fast step against the model's own, to rounding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from jepa_tts import engine
from jepa_tts.config import SIZES, JepaConfig
from jepa_tts.model import JepaModel
from jepa_tts.text import collate_text

SHAPES = {
    "tiny": SIZES["tiny"],
    "four heads": replace(SIZES["tiny"], width=64, heads=4, predictor_layers=3),
    "small": JepaConfig(),
}


def shaken(config: JepaConfig) -> JepaModel:
    """A model whose every weight, also the initial zeros, is random."""
    torch.manual_seed(5)
    model = JepaModel(replace(config, speakers=("ada",), phonemes="ab")).eval()
    with torch.no_grad():
        for parameter in model.predictor.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape))
    nn.init.constant_(model.durations.out.bias, 0.7)
    return model


@pytest.mark.parametrize("name", SHAPES)
@torch.inference_mode()
def test_equals_generate(name: str) -> None:
    model = shaken(SHAPES[name])
    for text in ("a", "Hello there, said the quiet man."):
        plan = model.plan(collate_text([text]), model.voices.named("ada"))
        latents, lengths = model.generate(plan)
        made = engine.generate(model, plan)
        assert made.shape[1] == int(lengths[0])
        assert float((made - latents[:, : made.shape[1]]).abs().max()) < 1e-5


@torch.inference_mode()
def test_stops_when_generate_stops() -> None:
    model = shaken(SIZES["tiny"])
    plan = model.plan(collate_text(["Hello there."]), model.voices.named("ada"))
    ends = []
    for bias in (-50.0, 50.0):
        nn.init.constant_(model.predictor.stop_out.bias, bias)
        ends.append(engine.generate(model, plan).shape[1])
        assert ends[-1] == int(model.generate(plan)[1][0])
    planned = int(plan.lengths[0])
    assert ends == [planned + 6, planned - 1]


def test_an_adapter_is_not_bypassed() -> None:
    """A layer that is not the plain one, or carries a hook, goes through the model itself."""

    class Louder(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2.0 * super().forward(x)

    model = shaken(SIZES["tiny"])
    assert engine.can_run(model)
    with torch.inference_mode():
        plan = model.plan(collate_text(["Hello."]), model.voices.named("ada"))
        plain = engine.generate(model, plan)
        louder = Louder(32, 64)
        louder.load_state_dict(model.predictor.feed_forward[0].up.state_dict())
        model.predictor.feed_forward[0].up = louder
        assert not engine.can_run(model)
        made = engine.generate(model, plan)
        assert torch.equal(made, model.generate(plan)[0][:, : made.shape[1]])
    assert float((made[:, :3] - plain[:, :3]).abs().max()) > 1e-4
    model = shaken(SIZES["tiny"])
    model.predictor.latent_out.register_forward_hook(lambda *_: None)
    assert not engine.can_run(model)


def test_one_sentence_at_a_time() -> None:
    model = shaken(SIZES["tiny"])
    plan = model.plan(collate_text(["a", "b"]), model.voices.lookup(torch.tensor([0, 0])))
    with pytest.raises(ValueError, match="one sentence at a time, not 2"):
        engine.generate(model, plan)


@torch.no_grad()
def test_changed_weights_are_noticed() -> None:
    """Also when they change behind autograd's back, as merging an adapter does it."""
    model = shaken(SIZES["tiny"])
    plan = model.plan(collate_text(["Hello there."]), model.voices.named("ada"))
    before = engine.generate(model, plan)
    model.predictor.feed_forward[0].up.weight.data += 0.1
    after = engine.generate(model, plan)
    latents, lengths = model.generate(plan)
    assert not torch.allclose(after[:, :3], before[:, :3], atol=1e-3)
    torch.testing.assert_close(after, latents[:, : int(lengths[0])], atol=1e-5, rtol=0)


def test_gelu_is_exact() -> None:
    x = torch.linspace(-9.0, 9.0, 4_001)
    made = torch.from_numpy(engine._gelu((x * 0.5**0.5).numpy())) * 0.5**0.5
    torch.testing.assert_close(made, nn.functional.gelu(x), atol=1e-6, rtol=0)
