"""``adapter_config.json`` as PEFT writes it, read strictly: nothing unknown passes unseen."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tts_lora.targets import AdapterError

if TYPE_CHECKING:
    import peft

CONFIG = "adapter_config.json"
_PEFT = (0, 21)
_IGNORED = (  # they say how the adapter was trained or by whom, not what it is
    "auto_mapping", "base_model_name_or_path", "inference_mode", "init_lora_weights",
    "lora_dropout", "megatron_core", "peft_version", "qalora_group_size", "revision", "task_type",
    "fan_in_fan_out", "ensure_weight_tying", "loftq_config", "eva_config", "corda_config",
    "lora_ga_config", "runtime_config",
)  # fmt: skip
_READ = (
    "peft_type", "r", "lora_alpha", "target_modules", "modules_to_save", "rank_pattern",
    "alpha_pattern", "use_dora", "use_rslora",
)  # fmt: skip
_UNSUPPORTED = (  # they change what the tensors mean: fine while they are empty
    "alora_invocation_tokens", "arrow_config", "bias", "exclude_modules", "kasa_config",
    "layer_replication", "layers_pattern", "layers_to_transform", "lora_bias", "megatron_config",
    "monteclora_config", "target_parameters", "trainable_token_indices", "use_bdlora", "use_qalora",
    "velora_config",
)  # fmt: skip
_CHANGES_BASE = ("pissa", "corda", "olora", "loftq", "lora_ga", "mica", "orthogonal")
_PLAIN_NAME = re.compile(r"\^?[\w.]+")
_LARGEST = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSettings:
    """What the tensors of an adapter mean: ranks, scales, targets and variant.

    ``targets`` are ends of layer names, or ``None`` where the file has a pattern: then the tensors
    say which layers they are for. ``rank_pattern`` and ``alpha_pattern`` hold exceptions by end of
    name, ``train_also`` the modules that are stored whole.
    """

    rank: int
    alpha: float
    targets: tuple[str, ...] | None
    dora: bool = False
    rslora: bool = False
    train_also: tuple[str, ...] = ()
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for rank in (self.rank, *self.rank_pattern.values()):
            if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= _LARGEST:
                raise AdapterError(f"the rank must be an int from 1 to {_LARGEST}, not {rank!r}")
        for alpha in (self.alpha, *self.alpha_pattern.values()):
            number = isinstance(alpha, (int, float)) and not isinstance(alpha, bool)
            if not number or not math.isfinite(alpha) or not 0 < alpha <= _LARGEST:
                raise AdapterError(
                    f"alpha must be a positive number up to {_LARGEST}, not {alpha!r}"
                )

    def rank_of(self, layer: str) -> int:
        """The rank of the adapter at a layer."""
        return _exception(self.rank_pattern, layer, self.rank)

    def scale_of(self, layer: str) -> float:
        """What the product of the two matrices is multiplied by at a layer."""
        rank, alpha = self.rank_of(layer), _exception(self.alpha_pattern, layer, self.alpha)
        return alpha / (math.sqrt(rank) if self.rslora else rank)

    @classmethod
    def read(cls, text: str, where: str) -> AdapterSettings:
        """The settings in the text of an ``adapter_config.json``; ``where`` names it in errors.

        Raises:
            AdapterError: for text that is not JSON, an unknown key (the nearest one is named), a
                kind or variant of adapter that this package does not know, a bad rank or alpha.
        """
        values = _parse(text, where)
        _check_keys(values, where)
        if values.get("peft_type") != "LORA":
            raise AdapterError(
                f"{where}: peft_type is {values.get('peft_type')!r} and only 'LORA' can be used"
            )
        targets = values.get("target_modules")
        try:
            return cls(
                rank=values.get("r", 8),
                alpha=values.get("lora_alpha", 8),
                targets=None if isinstance(targets, str) else _names(targets, "target_modules"),
                dora=_flag(values, "use_dora"),
                rslora=_flag(values, "use_rslora"),
                train_also=_names(values.get("modules_to_save") or [], "modules_to_save"),
                rank_pattern=_pattern(values, "rank_pattern"),
                alpha_pattern=_pattern(values, "alpha_pattern"),
            )
        except AdapterError as error:
            raise AdapterError(f"{where}: {error}") from error

    def peft_config(self, layers: Sequence[str] | None = None, **options: Any) -> peft.LoraConfig:
        """The same as PEFT says it; ``layers`` are full names in place of :attr:`targets`."""
        import peft

        return peft.LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # pyright: ignore[reportArgumentType]
            target_modules=list(layers if layers is not None else self.targets or ()),
            use_dora=self.dora,
            use_rslora=self.rslora,
            modules_to_save=list(self.train_also) or None,
            rank_pattern=dict(self.rank_pattern),
            alpha_pattern=dict(self.alpha_pattern),
            **options,
        )


def _exception(pattern: Mapping[str, Any], layer: str, default: Any) -> Any:
    for key, value in pattern.items():
        name = key.removeprefix("^")
        if layer == name or (name == key and layer.endswith(f".{name}")):
            return value
    return default


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise AdapterError(f"{where} is not JSON ({error}): copy the adapter again") from error
    if not isinstance(values, dict):
        raise AdapterError(f"{where} must hold a JSON object: copy the adapter again")
    return values


def _check_keys(values: Mapping[str, Any], where: str) -> None:
    known = (*_READ, *_IGNORED, *_UNSUPPORTED)
    newer = _version(values.get("peft_version")) > _PEFT
    for key, value in values.items():
        if key in known:
            continue
        if newer and not value:  # a later PEFT writes all its settings, also those not in use
            continue
        guess = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {guess[0]!r}?" if guess else f"valid: {', '.join(sorted(_READ))}"
        raise AdapterError(f"{where}: unknown key {key!r}; {hint}")
    for key in _UNSUPPORTED:
        if values.get(key) and values[key] != "none":
            raise AdapterError(
                f"{where}: {key} is {values[key]!r}, which this package cannot apply: train the "
                "adapter without it"
            )
    start = values.get("init_lora_weights")
    if isinstance(start, str) and start.startswith(_CHANGES_BASE):
        raise AdapterError(
            f"{where}: init_lora_weights is {start!r}, so it belongs to changed base weights: "
            "convert it to a plain LoRA with PEFT first"
        )


def _version(text: Any) -> tuple[int, ...]:
    numbers = re.match(r"(\d+)\.(\d+)", text) if isinstance(text, str) else None
    return tuple(int(number) for number in numbers.groups()) if numbers else (0, 0)


def _flag(values: Mapping[str, Any], key: str) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise AdapterError(f"{key} must be true or false, not {value!r}")
    return value


def _names(values: Any, key: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise AdapterError(f"{key} must be a list of names, not {values!r}")
    return tuple(values)


def _pattern(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    pattern = values.get(key) or {}
    if not isinstance(pattern, dict):
        raise AdapterError(f"{key} must map names to numbers, not {pattern!r}")
    for name in pattern:  # PEFT takes any regular expression, which a stranger could make endless
        if not _PLAIN_NAME.fullmatch(name):
            raise AdapterError(f"{key}: {name!r} is not the end of a layer's name")
    return pattern
