"""Is a model trained on what generation will ask of it? The alignment contract of every family.

Label shifts hide behind a healthy loss curve: here the loss is held against generation itself.
Letters: B batch, T positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import torch

    from voice_data.speech import Encoded, Path, SpeechModel, Trace

_PATHS: tuple[Path, ...] = ("cached", "uncached")
_SHIFTS = (1, -1, 2, -2)
_ADDED = ("lora_", "base_layer", "modules_to_save", "parametrizations", "ranknum")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentReport:
    """What does not agree, one sentence each, and what was compared.

    ``differences`` holds, for each path of generation, the largest absolute difference of its
    outputs from those of the loss; ``terms`` are the parts of the loss whose gradients were looked
    at (``total`` alone unless the model has a method ``terms``), ``groups`` the trainable ones.
    """

    findings: tuple[str, ...]
    differences: Mapping[str, float] = field(default_factory=dict)
    terms: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether training and generation agree."""
        return not self.findings


def check_alignment(
    model: SpeechModel, encoded: Sequence[Encoded], *, tolerance: float = 1e-5
) -> AlignmentReport:
    """Hold the loss of a few clips against generation, and look for heads that learn nothing.

    The labels of ``trace(batch, "loss")`` must be the units that cached and uncached generation are
    fed, exactly; the outputs must agree to ``tolerance``, relative to the largest output where that
    is above 1. Each term of the loss must give each group of trainable parameters a gradient that
    is finite and not zero; a group are the parameters of all modules of one name (``q_proj``). A
    model names its terms in ``terms(batch) -> Mapping[str, Tensor]``; without it the total counts.

    Dropout is off meanwhile; gradients, training flags and random state stay as they were. Nothing
    is raised: what the model raises becomes a finding.
    """
    import torch

    modes = [(module, module.training) for module in model.network.modules()]
    model.network.eval()
    try:
        with torch.random.fork_rng():
            return _checked(model, encoded, tolerance)
    finally:
        for module, training in modes:
            module.training = training


def _checked(model: SpeechModel, encoded: Sequence[Encoded], tolerance: float) -> AlignmentReport:
    findings: list[str] = []
    batch = _attempt("collate", lambda: model.collate(encoded), findings)
    if batch is None:
        return AlignmentReport(findings=tuple(findings))
    reference = _trace(model, batch, "loss", findings)
    differences: dict[str, float] = {}
    if reference is not None and not bool(reference.mask.any()):
        findings.append("the mask of the loss counts no position: nothing would be learnt")
        reference = None
    for path in _PATHS:
        other = _trace(model, batch, path, findings)
        if reference is not None and other is not None:
            differences[path] = _compare(path, reference, other, tolerance, findings)
    terms = _attempt("loss", lambda: _terms(model, batch), findings) or {}
    groups = _groups(model.network)
    if not groups:
        findings.append("no parameter of the network is trainable: attach an adapter first")
    _attempt("backward", lambda: _differentiate(terms, groups, findings), findings)
    return AlignmentReport(
        findings=tuple(findings),
        differences=differences,
        terms=tuple(terms),
        groups=tuple(groups),
    )


def _attempt(what: str, action: Callable[[], Any], findings: list[str]) -> Any:
    """Its result, or None and a finding."""
    import torch

    torch.manual_seed(0)  # each path sees the same noise, if a family draws any
    try:
        return action()
    except Exception as error:
        findings.append(f"{what} raised {type(error).__name__}: {error}")
        return None


def _trace(model: SpeechModel, batch: Any, path: Path, findings: list[str]) -> Trace | None:
    """The trace on the CPU, without a graph."""
    import torch

    from voice_data.speech import Trace

    def run() -> Trace:
        with torch.no_grad():
            found = model.trace(batch, path)
        parts = (found.outputs, found.labels, found.mask)
        outputs, labels, mask = (part.detach().cpu() for part in parts)
        if mask.dim() != 2 or outputs.shape[:2] != mask.shape or labels.shape[:2] != mask.shape:
            shapes = ", ".join(str(list(part.shape)) for part in (outputs, labels, mask))
            raise ValueError(f"outputs, labels and mask must begin with [B, T], not {shapes}")
        return Trace(outputs=outputs, labels=labels, mask=mask)

    return cast("Trace | None", _attempt(f"trace(batch, {path!r})", run, findings))


def _compare(
    path: str, loss: Trace, generated: Trace, tolerance: float, findings: list[str]
) -> float:
    """Add what differs to ``findings``; the largest difference of the outputs."""
    shapes = [(list(t.outputs.shape), list(t.labels.shape)) for t in (loss, generated)]
    if shapes[0] != shapes[1]:
        findings.append(
            f"outputs and labels have the shapes {shapes[0]} in the loss and {shapes[1]} in "
            f"{path} generation"
        )
        return math.nan
    different = (loss.mask != generated.mask).nonzero()
    if len(different):
        row, step = different[0].tolist()
        findings.append(
            f"the loss and {path} generation count different positions, first row {row}, "
            f"step {step}: {bool(loss.mask[row, step])} and {bool(generated.mask[row, step])}"
        )
    mask = loss.mask & generated.mask
    _compare_labels(path, loss.labels, generated.labels, mask, findings)
    return _compare_outputs(path, loss.outputs, generated.outputs, mask, tolerance, findings)


def _compare_labels(
    path: str,
    loss: torch.Tensor,
    generated: torch.Tensor,
    mask: torch.Tensor,
    findings: list[str],
) -> None:
    wrong = _differs(loss, generated) & mask
    if not bool(wrong.any()):
        return
    row, step = wrong.nonzero()[0].tolist()
    found = f"; {_shift(loss, generated, mask)}" if _shift(loss, generated, mask) else ""
    findings.append(
        f"labels differ at {int(wrong.sum())} of {int(mask.sum())} positions, first row {row}, "
        f"step {step}: the loss has {_value(loss[row, step])} and {path} generation is fed "
        f"{_value(generated[row, step])}{found}"
    )


def _shift(loss: torch.Tensor, generated: torch.Tensor, mask: torch.Tensor) -> str:
    """By how many steps the labels of the loss are early, in words, or nothing."""
    steps = mask.shape[1]
    for shift in _SHIFTS:
        mine = slice(max(0, -shift), steps - max(0, shift))
        theirs = slice(max(0, shift), steps - max(0, -shift))
        both = mask[:, mine] & mask[:, theirs]
        wrong = _differs(loss[:, mine], generated[:, theirs]) & both
        if bool(both.any()) and not bool(wrong.any()):
            return f"the labels of step t are those of step t{shift:+d}: they are shifted twice"
    return ""


def _differs(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """[B, T] bool."""
    return (first != second).flatten(2).any(2) if first.dim() > 2 else first != second


def _value(label: torch.Tensor) -> str:
    """A label in a message: a number, or the first few."""
    values = [f"{value:g}" for value in label.flatten()[:4].tolist()]
    return values[0] if label.numel() == 1 else f"[{', '.join(values)}, ...]"


def _compare_outputs(
    path: str,
    loss: torch.Tensor,
    generated: torch.Tensor,
    mask: torch.Tensor,
    tolerance: float,
    findings: list[str],
) -> float:
    if not bool(mask.any()):
        return math.nan
    gaps = (loss.double() - generated.double()).abs()
    gaps = gaps.flatten(2).amax(2) if gaps.dim() > 2 else gaps  # [B, T]
    gaps = gaps.nan_to_num(math.inf).masked_fill(~mask, 0.0)
    scale = max(1.0, float(loss[mask].double().abs().max()))
    if not float(gaps.max()) <= tolerance * scale:
        row, step = (gaps > tolerance * scale).nonzero()[0].tolist()
        findings.append(
            f"outputs differ by up to {float(gaps.max()):.3g} from {path} generation "
            f"({tolerance * scale:.3g} is allowed), first row {row}, step {step}"
        )
    return float(gaps.max())


def _terms(model: Any, batch: Any) -> Mapping[str, torch.Tensor]:
    total = model.loss(batch).total
    if not hasattr(model, "terms"):
        return {"total": total}
    return {"total": total, **model.terms(batch)}


def _groups(network: torch.nn.Module) -> dict[str, list[torch.Tensor]]:
    """The trainable parameters by the name of their module, whatever PEFT put around it."""
    groups: dict[str, list[torch.Tensor]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(_group(name), []).append(parameter)
    return groups


def _group(name: str) -> str:
    """The module's own name: numbers are places in a list, and PEFT's parts are not modules.

    >>> _group("model.layers.3.self_attn.q_proj.lora_A.default.weight")
    'q_proj'
    """
    module = name.split(".")[:-1]
    added = [i for i, part in enumerate(module) if part.startswith(_ADDED)]
    names = [part for part in module[: min(added, default=None)] if not part.isdigit()]
    return names[-1] if names else name


def _differentiate(
    terms: Mapping[str, torch.Tensor],
    groups: Mapping[str, Sequence[torch.Tensor]],
    findings: list[str],
) -> None:
    import torch

    for term, value in terms.items():
        if not bool(torch.isfinite(value.detach()).all()):
            findings.append(f"the loss's {term} is {float(value.detach())}")
        if not value.requires_grad:
            findings.append(f"the loss's {term} depends on no trainable parameter")
            continue
        parameters = [parameter for members in groups.values() for parameter in members]
        found = iter(torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True))
        for group, members in groups.items():
            given = [gradient for _, gradient in zip(members, found, strict=False)]
            given = [gradient for gradient in given if gradient is not None]
            if not all(bool(torch.isfinite(gradient).all()) for gradient in given):
                findings.append(f"the loss's {term} gives {group!r} a gradient that is not finite")
            elif not any(bool(gradient.any()) for gradient in given):
                findings.append(f"the loss's {term} gives {group!r} no gradient")
