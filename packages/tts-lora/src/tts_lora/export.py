"""Adapters for other programs: vLLM, llama.cpp, or weights that need no adapter at all."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.folder import PREFIX, Adapter, read_adapter, write_adapter
from tts_lora.targets import AdapterError
from voice_data.storage import replacing

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from voice_data.speech import SpeechModel

_log = logging.getLogger(__name__)
_LAYER = re.compile(
    r"(?:.*\.)?(layers\.(\d+)\.(?:self_attn\.[qkvo]|mlp\.(?:gate|up|down))_proj|lm_head)"
)
_LLAMA_CPP = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_TURNED = ("attn_q", "attn_k")  # llama.cpp turns pairs of neighbours, transformers halves
_ARCHITECTURES = ("llama", "qwen2")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    """An adapter of a language model with one rank and one scale, ``alpha / rank``, for all layers.

    ``pairs`` maps ``layers.0.self_attn.q_proj`` to A [R, I] and B [O, R].
    """

    rank: int
    alpha: float
    pairs: Mapping[str, tuple[Tensor, Tensor]]


def export_vllm(folder: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """The adapter as a PEFT folder that vLLM serves beside a Llama or Qwen2 language model.

    vLLM has one rank and one scale per adapter and its own names of layers: what differs is
    rewritten so that the sums stay equal.

    Raises:
        AdapterError: if it changes something else than the layers of a language model, or is DoRA.
        OSError: if ``out`` cannot be written.
    """
    adapter = read_adapter(folder)
    plain = _plain(adapter)
    tensors = {
        f"{PREFIX}{_vllm_name(layer)}.{part}": tensor
        for layer, pair in plain.pairs.items()
        for part, tensor in zip(("lora_A.weight", "lora_B.weight"), pair, strict=True)
    }
    targets = tuple(sorted({layer.rpartition(".")[2] for layer in plain.pairs}))
    settings = replace(
        adapter.settings,
        rank=plain.rank,
        alpha=plain.alpha,
        targets=targets,
        rslora=False,
        rank_pattern={},
        alpha_pattern={},
    )
    config = settings.peft_config(task_type="CAUSAL_LM", inference_mode=True).to_dict()
    config = {**config, "target_modules": list(targets), "peft_type": "LORA"}
    write_adapter(out, replace(adapter, settings=settings, tensors=tensors), config)
    return Path(out)


def export_gguf(
    folder: str | os.PathLike[str], out: str | os.PathLike[str], model: SpeechModel
) -> Path:
    """The adapter as a GGUF file for llama.cpp (``--lora``), in float32.

    ``model`` is its base, whose network must be a Llama or Qwen2 language model.

    Raises:
        ImportError: without the package ``gguf``; it names the extra.
        AdapterError: as :func:`export_vllm`, or for another architecture.
        OSError: if ``out`` cannot be written.
    """
    gguf = _gguf()
    adapter = read_adapter(folder)
    adapter.check(model)
    config = getattr(model.network, "config", None)
    architecture = getattr(config, "model_type", type(model.network).__name__)
    if architecture not in _ARCHITECTURES:
        raise AdapterError(
            f"llama.cpp adapters can be written for {', '.join(_ARCHITECTURES)}, and this network "
            f"is {architecture!r}: merge the adapter instead"
        )
    plain = _plain(adapter)
    with replacing(out) as path:
        writer = gguf.GGUFWriter(path, architecture)
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, plain.alpha)
        writer.add_description(adapter.card.description)
        writer.add_license(adapter.card.provenance.licence)
        for name, values in _llama_cpp_tensors(plain, config).items():
            writer.add_tensor(name, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return Path(out)


def export_merged(
    folder: str | os.PathLike[str], out: str | os.PathLike[str], model: SpeechModel
) -> Path:
    """The whole network with the adapter in its weights, in the format that the base has.

    That is what the model's ``save_pretrained`` writes where it has one and the adapter is a plain
    LoRA, what transformers saves for its own networks, and otherwise a verified folder of plain
    tensors of the kind ``merged``. A ``save_pretrained`` that takes ``voice`` is given the
    adapter's condition, so that the merged model speaks in it without being told; else a log line
    says that it must be told.

    Raises:
        AdapterError: if the adapter is damaged or for another model, or cannot be merged.
        OSError: if ``out`` cannot be written.
    """
    from tts_lora.adapter import detach, load
    from tts_lora.merge import merge, merged_weights

    name = "export"
    adapter = read_adapter(folder)
    hot = not adapter.settings.train_also and all(
        "lora_A.weight" in parts and parts["lora_A.weight"].dim() == 2
        for parts in adapter.layers.values()
    )
    load(model, folder, name, hot=hot)
    try:
        merge(model, name)
        _write_merged(model, adapter, merged_weights(model, name), Path(out), hot)
    finally:
        detach(model, name)
    return Path(out)


def _write_merged(
    model: SpeechModel, adapter: Adapter, weights: dict[str, Tensor], out: Path, hot: bool
) -> None:
    from transformers import PreTrainedModel

    from voice_data.artefact import save_artefact

    save: Any = getattr(model, "save_pretrained", None)
    if hot and save is not None:  # no PEFT layers: the network is as it was loaded
        if adapter.condition is not None and "voice" in signature(save).parameters:
            save(out, voice=adapter.condition)
            return
        save(out)
    elif isinstance(model.network, PreTrainedModel):
        model.network.save_pretrained(out, state_dict=weights)
    else:
        config = {"base": adapter.card.base, "description": adapter.card.description}
        text = f"# {adapter.card.base} with an adapter merged\n\n{adapter.card.description}\n"
        save_artefact(out, config, weights, text, adapter.card.provenance, kind="merged")
    if adapter.condition is not None:
        _log.warning("%s must be told the adapter's voice: the base cannot store one", out)


def _plain(adapter: Adapter) -> _Plain:
    settings = adapter.settings
    if settings.dora or settings.train_also:
        what = "DoRA" if settings.dora else "train_also"
        raise AdapterError(f"{what} has no form there: export the merged weights instead")
    rank = max(settings.rank_of(layer) for layer in adapter.layers)
    scales = {layer: settings.scale_of(layer) for layer in adapter.layers}
    scale = next(iter(scales.values()))
    pairs = {}
    for layer, parts in adapter.layers.items():
        found = _LAYER.fullmatch(layer)
        if found is None or "lora_A.weight" not in parts:
            raise AdapterError(
                f"{layer} is no layer of a Llama or Qwen2 language model: export the merged "
                "weights instead"
            )
        pairs[found[1]] = _padded(parts, rank, scales[layer] / scale)
    if len(pairs) != len(adapter.layers):
        raise AdapterError("the adapter is for several language models: export merged weights")
    return _Plain(rank=rank, alpha=scale * rank, pairs=pairs)


def _padded(parts: Mapping[str, Tensor], rank: int, factor: float) -> tuple[Tensor, Tensor]:
    from torch.nn.functional import pad

    down, up = parts["lora_A.weight"].float(), parts["lora_B.weight"].float() * factor
    missing = rank - len(down)
    return pad(down, (0, 0, 0, missing)), pad(up, (0, missing))


def _vllm_name(layer: str) -> str:
    return layer if layer == "lm_head" else f"model.{layer}"


def _llama_cpp_tensors(plain: _Plain, config: Any) -> dict[str, np.ndarray]:
    """Names of llama.cpp -> A [R, I] and B [O, R], with B's rows in llama.cpp's order."""
    tensors = {}
    for layer, (down, up) in plain.pairs.items():
        _, number, name = layer.split(".", 2) if layer != "lm_head" else ("", "", "")
        kind = _LLAMA_CPP.get(name, "output")
        rows = up
        if config.model_type == "llama" and kind in _TURNED:
            key_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
            rows = _turned(up, config.num_attention_heads if kind == "attn_q" else key_heads)
        full = f"blk.{number}.{kind}.weight" if number else f"{kind}.weight"
        tensors[f"{full}.lora_a"] = down.contiguous().numpy()
        tensors[f"{full}.lora_b"] = rows.contiguous().numpy()
    return tensors


def _turned(up: Tensor, heads: int) -> Tensor:
    """Rows [O] from a head's two halves to pairs of neighbours, as rotary positions have them."""
    out, rank = up.shape
    return up.view(heads, 2, out // heads // 2, rank).transpose(1, 2).reshape(out, rank)


def _gguf() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise ImportError(
            "writing GGUF needs the package gguf: pip install 'tts-lora[gguf]'"
        ) from error
    return gguf
