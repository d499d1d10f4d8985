"""Predicted opinion scores: how good a listener would call it, from 1 (bad) to 5 (excellent)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from voice_data.score.extra import quiet, require

if TYPE_CHECKING:
    from voice_data.audio import Audio

MOS_RATE = 16_000


class DistillMosScore(NamedTuple):
    """DistillMOS, 1 to 5."""

    distillmos: float


class DnsmosScore(NamedTuple):
    """DNSMOS P.835, 1 to 5: the whole, the speech signal, and how clean the background is."""

    dnsmos: float
    dnsmos_signal: float
    dnsmos_background: float


@dataclass(frozen=True, slots=True)
class DistillMos:
    """DistillMOS (Stahl and Gamper, 2025), the small student of an XLS-R quality predictor."""

    model: Any
    device: str

    @classmethod
    def from_pretrained(cls, *, device: str = "cpu") -> DistillMos:
        """Load the weights inside the distillmos package.

        Raises:
            ImportError: if the ``[metrics]`` extra is not installed.
        """
        distillmos = require("distillmos")
        with quiet():
            model = distillmos.ConvTransformerSQAModel().eval().to(device)
        return cls(model, device)

    def measure(self, audio: Audio) -> DistillMosScore:
        """The score of one clip of any rate."""
        torch = require("torch")
        samples = torch.from_numpy(audio.resample(MOS_RATE).samples)[None].to(self.device)  # [1, S]
        with torch.inference_mode(), quiet():
            return DistillMosScore(float(self.model(samples).reshape(-1)[0]))


@dataclass(frozen=True, slots=True)
class Dnsmos:
    """DNSMOS (Reddy et al., 2022) through ONNX Runtime."""

    model: Any

    @classmethod
    def from_pretrained(cls, *, threads: int = 1) -> Dnsmos:
        """Load the networks inside the speechmos package.

        Raises:
            ImportError: if the ``[metrics]`` extra is not installed.
        """
        module = require("speechmos.dnsmos")
        folder = Path(module.__file__).parent / "dnsmos_models"
        # The package's own constructor leaves the number of threads to ONNX Runtime, which takes
        # all.
        model = module.DNSMOS.__new__(module.DNSMOS)
        model.primary_model_path = str(folder / "sig_bak_ovr.onnx")
        model.onnx_sess = _session(folder / "sig_bak_ovr.onnx", threads)
        model.p808_onnx_sess = _session(folder / "model_v8.onnx", threads)
        return cls(model)

    def measure(self, audio: Audio) -> DnsmosScore:
        """The score of one clip of any rate; one under nine seconds is repeated, as DNSMOS does."""
        samples = np.clip(audio.resample(MOS_RATE).samples, -1.0, 1.0)
        with quiet():
            scores = self.model(samples, MOS_RATE, False)
        return DnsmosScore(
            dnsmos=float(scores["ovrl_mos"]),
            dnsmos_signal=float(scores["sig_mos"]),
            dnsmos_background=float(scores["bak_mos"]),
        )


def _session(path: Path, threads: int) -> Any:
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
