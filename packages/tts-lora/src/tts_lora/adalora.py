"""AdaLoRA: ranks that move to where they matter, and the plain LoRA that they end as.

AdaLoRA (Zhang et al., 2023) trains B diag(E) A. Folding E into A gives a LoRA exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tts_lora.folder import PREFIX
from tts_lora.settings import AdapterSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

_SCORES = ("ipt", "exp_avg_ipt", "exp_avg_unc")


class RankSchedule:
    """What a training loop does for AdaLoRA besides its own steps."""

    def __init__(self, tuner: Any, name: str) -> None:
        self._tuner, self._name = tuner, name

    def penalty(self) -> Tensor:
        """The scalar to add to the loss, which keeps A and B near to orthogonal."""
        import torch

        config = self._tuner.peft_config[self._name]
        terms = []
        for key, parameter in self._tuner.model.named_parameters():
            if key.endswith((f"lora_A.{self._name}", f"lora_B.{self._name}")):
                gram = parameter @ parameter.T if ".lora_A." in key else parameter.T @ parameter
                identity = torch.eye(len(gram), device=gram.device, dtype=gram.dtype)
                terms.append(torch.linalg.matrix_norm(gram - identity))
        return config.orth_reg_weight * torch.stack(terms).mean()

    def update(self, step: int) -> None:
        """Score the ranks and drop the least: after the optimiser's step, before ``zero_grad``."""
        self._tuner.update_and_allocate(step)

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """The running scores, for an exact resume."""
        return {score: dict(getattr(self._tuner.rankallocator, score)) for score in _SCORES}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """The opposite of :meth:`state_dict`."""
        for score in _SCORES:
            setattr(self._tuner.rankallocator, score, dict(state[score]))


def folded(network: nn.Module, name: str) -> tuple[AdapterSettings, dict[str, Tensor]]:
    """The plain LoRA that equals the AdaLoRA ``name``: ranks that were dropped are gone.

    All layers get the rank of the largest, filled with zeros, and a scale of one, which every
    reader of LoRA understands.
    """
    import torch
    from torch.nn.functional import pad

    config: Any = network.peft_config[name]  # pyright: ignore
    pairs: dict[str, tuple[Tensor, Tensor]] = {}
    for key, module in network.named_modules():
        layer: Any = module
        if name not in getattr(layer, "lora_E", ()):
            continue
        a, b, e = (getattr(layer, f"lora_{part}")[name].detach() for part in "ABE")
        scale = float(layer.scaling[name] / (layer.ranknum[name] + 1e-5))
        kept = (e[:, 0] != 0).nonzero()[:, 0]
        pairs[key] = ((a * e)[kept], b[:, kept] * scale)
    rank = max(1, *(len(a) for a, _ in pairs.values()))
    tensors = {}
    for key, (a, b) in pairs.items():
        missing = rank - len(a)
        tensors[f"{PREFIX}{key}.lora_A.weight"] = pad(a, (0, 0, 0, missing))
        tensors[f"{PREFIX}{key}.lora_B.weight"] = pad(b, (0, missing))
    for key, value in network.state_dict().items():
        module, inside, rest = key.partition(f".modules_to_save.{name}.")
        if inside:
            tensors[f"{PREFIX}{module}.{rest}"] = value
    targets = config.target_modules
    settings = AdapterSettings(
        rank=rank,
        alpha=rank,
        targets=None if isinstance(targets, str) else tuple(sorted(targets)),
        train_also=tuple(config.modules_to_save or ()),
    )
    return settings, {key: torch.as_tensor(value) for key, value in tensors.items()}
