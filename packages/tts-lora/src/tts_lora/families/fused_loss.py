"""Cross-entropy behind a frozen output layer, whose logits never exist all at once.

The gradient of the hidden states is made while the logits are there, so that nothing is computed
twice and nothing but that gradient is kept. Letters: R rows, D width, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import linear

if TYPE_CHECKING:
    from torch import Tensor, nn

LOGITS = 1 << 25  # float32 at a time: 128 MiB


def fits(head: nn.Module) -> bool:
    """Whether an output layer is a plain linear one that is not trained."""
    frozen = not any(parameter.requires_grad for parameter in head.parameters())
    hooked = bool(head._forward_hooks or head._forward_pre_hooks)
    return type(head) is torch.nn.Linear and frozen and not hooked


def fused_cross_entropy(head: nn.Linear, hidden: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of ``head(hidden)`` [R, V] with ``labels`` [R]; hidden is [R, D]."""
    return _Fused.apply(hidden, head.weight, head.bias, labels)  # pyright: ignore


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor):
        """The loss; the gradient of ``hidden`` is kept where it will be asked for."""
        wanted = ctx.needs_input_grad[0]
        gradient = torch.empty_like(hidden) if wanted else None
        total = torch.zeros((), device=hidden.device)
        rows = max(1, LOGITS // len(weight))
        for start in range(0, len(hidden), rows):
            part = slice(start, start + rows)
            logits = linear(hidden[part], weight, bias).float()
            whole = logits.logsumexp(1, keepdim=True)
            own = labels[part, None]
            total += (whole - logits.gather(1, own)).sum()
            if gradient is not None:
                logits.sub_(whole).exp_()  # probabilities, in place
                logits.scatter_add_(1, own, logits.new_full((), -1.0).expand_as(own))
                gradient[part] = (logits.to(weight.dtype) @ weight).to(gradient.dtype)
        if gradient is not None:
            ctx.save_for_backward(gradient.div_(len(hidden)))
        return total / len(hidden)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor):
        """The gradient of the hidden states alone: the layer is frozen."""
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0].to(gradient.dtype), None, None, None
