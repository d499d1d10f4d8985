"""Causal language models of transformers: load, hash, differentiate, go on with a prompt.

Letters: B batch, P prompt positions, U new tokens, V vocabulary, D width, R rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.families.codec import first_line
from tts_lora.families.sampling import GREEDY, SamplingConfig
from tts_lora.families.weights import evaluating
from voice_data.speech import SpeechModelError

if TYPE_CHECKING:
    from torch import Tensor


def generate(
    network: Any,
    ids: Tensor,
    mask: Tensor,
    *,
    stops: Sequence[int],
    limit: int,
    sampling: SamplingConfig = GREEDY,
    processors: Sequence[Any] = (),
    cached: bool = True,
) -> Tensor:
    """New tokens [B, up to ``limit``] after ``ids`` [B, P], padded at the left where ``mask`` is 0.

    Rows that have stopped are filled up with the first stop.
    """
    import torch
    from transformers import GenerationConfig, LogitsProcessorList

    greedy = sampling.temperature == 0
    drawn = {"do_sample": False} if greedy else {"do_sample": True, **asdict(sampling)}
    settings = GenerationConfig(
        max_new_tokens=limit,
        eos_token_id=list(stops),
        pad_token_id=stops[0],
        use_cache=cached,
        **drawn,
    )
    with torch.no_grad(), evaluating(network):
        found = network.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=settings,
            logits_processor=LogitsProcessorList(processors),
        )
    return found[:, ids.shape[1] :]


class Forced:
    """A logits processor that keeps the logits, and lets only the next of ``units`` [B, U] pass."""

    def __init__(self, units: Tensor) -> None:
        self._units = units
        self.outputs: list[Tensor] = []

    def __call__(self, _: Tensor, scores: Tensor) -> Tensor:
        """``scores`` [B, V] after the tokens so far."""
        import torch

        unit = self._units[:, len(self.outputs), None]
        self.outputs.append(scores.detach().clone())
        return torch.full_like(scores, -math.inf).scatter(1, unit, 0.0)


def cross_entropy(head: Any, hidden: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of ``head(hidden)`` [R, V], without all the logits at once.

    ``hidden`` is [R, D], ``labels`` [R]. At most 2^25 logits exist in float32 at a time, going
    forward and back. Where the head is trained and there are more, they are made a second time.
    """
    from torch.nn.functional import cross_entropy as summed
    from torch.utils.checkpoint import checkpoint

    from tts_lora.families.fused_loss import LOGITS, fits, fused_cross_entropy

    if fits(head):
        return fused_cross_entropy(head, hidden, labels)

    def part(rows: Tensor, wanted: Tensor) -> Tensor:
        return summed(head(rows).float(), wanted, reduction="sum")

    rows = max(1, LOGITS // int(head.weight.shape[0]))
    if len(hidden) <= rows:
        return part(hidden, labels) / len(labels)
    pairs = zip(hidden.split(rows), labels.split(rows), strict=True)
    sums: list[Any] = [checkpoint(part, *pair, use_reentrant=False) for pair in pairs]
    return sum(sums[1:], sums[0]) / len(labels)


def load_network(folder: Path) -> Any:
    """The causal language model in ``folder``, from safetensors alone.

    It has the checkpoint's own type where there is a GPU and float32 elsewhere: half precision is
    many times slower on most CPUs.

    Raises:
        SpeechModelError: if there is none, or weights are missing or have another shape.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype="auto" if torch.cuda.is_available() else torch.float32,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise SpeechModelError(
            f"{folder} holds no causal language model ({first_line(error)}): "
            "it needs config.json and model.safetensors"
        ) from error
    network, info = loaded
    wrong = [*info["missing_keys"], *info["unexpected_keys"], *info["mismatched_keys"]]
    if wrong:
        raise SpeechModelError(f"{folder}: the weights {wrong[:3]} do not fit config.json")
    return network.eval()


def files_sha256(folder: Path) -> str:
    """SHA-256 over those of the weight files, in the order of their names."""
    import hashlib

    from voice_data.storage import file_sha256

    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
