"""Did the adapter do anything? Its weights, its outputs and its sound, held against the base.

Letters: B batch, T positions, S samples, R rank.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tts_lora.attachment import live_deltas, same_bits, trainable
from tts_lora.finding import Finding

if TYPE_CHECKING:
    import torch

    from tts_lora.delta import Delta
    from voice_data.audio import Audio
    from voice_data.speech import Condition, Encoded, SpeechModel

SENTENCES = ("The harbour was quiet, and the boats lay still.", "Please hold the line.")
EXPLODED = 1.0  # a delta as large as the weight that it is added to
MERGE_TOLERANCE = {"float32": 1e-4, "float64": 1e-8}
_COARSE = 3e-2  # of half-precision weights, whose own rounding is that large
_BANDS, _FLOOR = 80, 1e-10
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDelta:
    """One layer's delta: its Frobenius and spectral norm, and the first as a share of the base's.

    ``relative`` is ``None`` where the base weight is zero or cannot be read. ``whole`` says that
    the rank bounds nothing: the layer has no more outputs (or inputs) than that.
    """

    layer: str
    rank: int
    frobenius: float
    spectral: float
    relative: float | None
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceChange:
    """A sentence with the adapter off and on: seconds of both, and the distance in dB between
    their average spectra over 80 bands (0: the same colour of sound).
    """

    text: str
    base_seconds: float
    seconds: float
    spectrum_db: float
    identical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What an adapter does to its base.

    ``output_change`` is the root mean square of the outputs' change as a share of the base's
    outputs, ``merge_difference`` the largest absolute difference of the outputs once merged
    (``None``: it cannot be merged, because the network ties an adapted weight to another),
    ``reload_equal`` whether the folder holds the very bits that run (``None``: no folder given).
    """

    layers: tuple[LayerDelta, ...]
    output_change: float
    merge_difference: float | None
    reload_equal: bool | None
    sentences: tuple[SentenceChange, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = _strict(asdict(self))
        return {"ok": self.ok, **values, "findings": [each.to_dict() for each in self.findings]}


def probe(
    model: SpeechModel,
    encoded: Sequence[Encoded],
    *,
    name: str = "default",
    folder: str | Path | None = None,
    sentences: Sequence[str] = SENTENCES,
    voice: str | Condition | None = None,
    seed: int = 0,
) -> Probe:
    """Examine the adapter ``name`` that is attached to ``model`` and active.

    ``encoded`` are a few clips of one speaker, ``folder`` the adapter on disk, if it should equal
    the live one. The network is as before afterwards, bit for bit.

    Raises:
        DeltaError: if no LoRA of that name is attached, or the folder is no adapter.
        ValueError: if there are no clips.
    """
    from tts_lora.adapter import disabled
    from tts_lora.contract import check_alignment

    if not encoded:
        raise ValueError("the probe needs at least one encoded clip: give some of the held-out set")
    deltas = live_deltas(model.network, name)
    layers = tuple(_layer(model.network, layer, delta) for layer, delta in deltas.items())
    outputs = _outputs(model, encoded)
    with disabled(model):
        base = _outputs(model, encoded)
    spoken = tuple(_sentence(model, text, voice, seed) for text in sentences)
    with trainable(model.network, name):
        alignment = check_alignment(model, encoded)
    seen = Probe(
        layers=layers,
        output_change=_rms(outputs - base) / max(_rms(base), 1e-12),
        merge_difference=_merge_difference(model, name, encoded, outputs),
        reload_equal=None if folder is None else same_bits(deltas, folder),
        sentences=tuple(change for change, _ in spoken),
    )
    allowed = _merge_tolerance(model.network) * max(1.0, _largest(outputs))
    silent = any(silence for _, silence in spoken)
    return replace(seen, findings=tuple(_findings(seen, allowed, alignment.findings, silent)))


def _layer(network: torch.nn.Module, layer: str, delta: Delta) -> LayerDelta:
    module: Any = network.get_submodule(layer)
    weight = module.get_base_layer().weight.detach()
    base = float(weight.double().norm())
    return LayerDelta(
        layer=layer,
        rank=delta.rank,
        frobenius=delta.frobenius,
        spectral=delta.spectral,
        relative=delta.frobenius / base if base > 0 else None,
        whole=min(weight.shape) <= delta.rank,
    )


def _outputs(model: SpeechModel, encoded: Sequence[Encoded]) -> torch.Tensor:
    """What the loss sees, flat, float64; dropout off, and the same noise each time."""
    import torch

    modes = [(module, module.training) for module in model.network.modules()]
    model.network.eval()
    try:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            found = model.trace(model.collate(encoded))
    finally:
        for module, training in modes:
            module.training = training
    return found.outputs[found.mask].double().cpu().flatten()


def _merge_difference(
    model: SpeechModel, name: str, encoded: Sequence[Encoded], outputs: torch.Tensor
) -> float | None:
    from tts_lora.merge import merge, unmerge
    from tts_lora.targets import AdapterError

    try:
        merge(model, name)
    except AdapterError as error:
        _log.warning("%s", error)
        return None
    try:
        return _largest(_outputs(model, encoded) - outputs)
    finally:
        unmerge(model, name)


def _sentence(
    model: SpeechModel, text: str, voice: str | Condition | None, seed: int
) -> tuple[SentenceChange, bool]:
    """What changes, and whether sound has become silence."""
    from tts_lora.adapter import disabled

    mine = model.speak(text, voice=voice, seed=seed)
    with disabled(model):
        base = model.speak(text, voice=voice, seed=seed)
    change = SentenceChange(
        text=text,
        base_seconds=base.duration,
        seconds=mine.duration,
        spectrum_db=spectrum_distance(base, mine),
        identical=bool(np.array_equal(base.samples, mine.samples)),
    )
    return change, bool(np.any(base.samples)) and not np.any(np.abs(mine.samples) > 1e-4)


def spectrum_distance(one: Audio, two: Audio) -> float:
    """Mean absolute difference in dB of two long-term average spectra, loudness aside.

    Raises:
        ValueError: if their rates differ.
    """
    if one.rate != two.rate:
        raise ValueError(f"clips of {one.rate} and {two.rate} Hz: resample one of them first")
    levels = [_spectrum(each.samples) for each in (one, two)]
    return float(np.mean(np.abs((levels[0] - levels[0].mean()) - (levels[1] - levels[1].mean()))))


def _spectrum(samples: np.ndarray) -> np.ndarray:
    power = np.abs(np.fft.rfft(samples, max(len(samples), 4 * _BANDS))) ** 2
    bands = np.array([band.mean() for band in np.array_split(power, _BANDS)])
    # Eighty dB below the loudest band is silence, whatever rounding left there.
    return 10 * np.log10(np.maximum(bands / max(bands.max(), _FLOOR), 1e-8))


def _merge_tolerance(network: torch.nn.Module) -> float:
    kind = str(next(network.parameters()).dtype).removeprefix("torch.")
    return MERGE_TOLERANCE.get(kind, _COARSE)


def _findings(
    seen: Probe, allowed: float, alignment: Sequence[str], silent: bool
) -> Iterator[Finding]:
    finite = math.isfinite(seen.output_change) and _finite(seen.layers)
    if not finite:
        yield Finding(code="not-finite", detail=_broken(seen.layers))
    else:
        yield from _effect(seen)
        yield from _explosion(seen.layers)
        if seen.merge_difference is not None and not seen.merge_difference <= allowed:
            detail = f"outputs differ by {seen.merge_difference:.2g}, {allowed:.2g} is allowed"
            yield Finding(code="merge-differs", detail=detail)
    if seen.reload_equal is False:
        yield Finding(code="reload-differs", detail="the stored factors are not the live ones")
    if silent:
        yield Finding(code="silent", detail="a sentence is silent that the base speaks")
    yield from (Finding(code="misaligned", detail=detail) for detail in alignment)


def _effect(seen: Probe) -> Iterator[Finding]:
    idle = [each.layer for each in seen.layers if each.frobenius == 0.0]
    if len(idle) == len(seen.layers) or seen.output_change == 0.0:
        detail = f"all {len(idle)} deltas are zero" if idle else "no output changes"
        yield Finding(code="no-effect", detail=detail)
        return
    if idle:
        yield Finding(code="idle-layers", detail=f"{len(idle)} deltas are zero: {_few(idle)}")
    if seen.sentences and all(each.identical for each in seen.sentences):
        count = len(seen.sentences)
        detail = f"outputs change by {seen.output_change:.2%}, the {count} sentences by nothing"
        yield Finding(code="inaudible", detail=detail)


def _explosion(layers: Sequence[LayerDelta]) -> Iterator[Finding]:
    large = [each for each in layers if (each.relative or 0.0) > EXPLODED]
    for code, whole in (("exploded", False), ("rewritten", True)):
        some = [each for each in large if each.whole is whole]
        if some:
            worst = max(some, key=lambda each: each.relative or 0.0)
            detail = f"{len(some)} deltas; {worst.layer} is {worst.relative:.1f} times its base"
            yield Finding(code=code, detail=detail)


def _finite(layers: Sequence[LayerDelta]) -> bool:
    return all(math.isfinite(each.frobenius) for each in layers)


def _broken(layers: Sequence[LayerDelta]) -> str:
    names = [each.layer for each in layers if not math.isfinite(each.frobenius)]
    return f"NaN or infinite numbers in {_few(names) if names else 'the outputs'}"


def _strict(value: Any) -> Any:
    """The same with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _few(names: Sequence[str], count: int = 3) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def _rms(values: torch.Tensor) -> float:
    return float(values.square().mean().sqrt())


def _largest(values: torch.Tensor) -> float:
    return float(values.abs().max())
