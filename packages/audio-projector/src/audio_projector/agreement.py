"""Do two copies of a language model have the same states? Reported, never assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from audio_projector.states import CHAT, capture

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel


class AgreementError(ValueError):
    """Models that cannot be compared; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Of one layer: the smallest and the mean cosine between both states of a token, and the
    largest difference of a value as a share of the states' deviation.
    """

    layer: int
    least_cosine: float
    mean_cosine: float
    largest_difference: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def agreement(
    first: LanguageModel,
    second: LanguageModel,
    texts: Sequence[str],
    layers: Sequence[int],
    *,
    prefix: str = CHAT,
) -> list[Agreement]:
    """Compare the states of ``texts`` layer by layer.

    Raises:
        AgreementError: if the two cut a text into other tokens, or differ in width.
    """
    import torch
    from torch.nn.functional import cosine_similarity

    rows: list[list[torch.Tensor]] = [[], []]
    for text in texts:
        tokens = [llm.tokens(prefix + text).ids for llm in (first, second)]
        if tokens[0] != tokens[1]:
            raise AgreementError(
                f"{first.name!r} and {second.name!r} cut {text!r} into other tokens: "
                "these are not the same model"
            )
        for found, llm in zip(rows, (first, second), strict=True):
            (states,) = capture(llm, [text], layers, prefix=prefix)
            found.append(states.values)
    one, two = (torch.cat(found).double() for found in rows)
    if one.shape != two.shape:
        raise AgreementError(f"the states are {one.shape[-1]} and {two.shape[-1]} wide")
    cosines = cosine_similarity(one, two, dim=-1)
    worst = (one - two).abs().amax((0, 2)) / one.std((0, 2))
    return [
        Agreement(
            layer=layer,
            least_cosine=float(cosines[:, i].min()),
            mean_cosine=float(cosines[:, i].mean()),
            largest_difference=float(worst[i]),
        )
        for i, layer in enumerate(layers)
    ]
