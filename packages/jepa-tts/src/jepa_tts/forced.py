"""A cache of the model's own mels, for a vocoder that is to speak after it.

Predicted mels are smoother than true ones. A vocoder that has only seen true mels sounds rough on
them; one trained on both (the true sound as the target) does not. The mels here are teacher-forced,
so they lie on the true timing. Letters: F mel frames, M mel bands.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from jepa_tts.alphabet import PAD
from jepa_tts.config import STRIDE
from jepa_tts.corpus import Corpus, Row
from jepa_tts.model import Plan

if TYPE_CHECKING:
    from torch import Tensor

    from jepa_tts.model import JepaModel

HISTORY_NOISE = 0.5
"""Noise on the history, in deviations: about as wrong as the model's own past."""


def forced_cache(
    model: JepaModel, corpus: Corpus, out: Path, *, batch: int = 24, seed: int = 0
) -> int:
    """Write a cache of every row whose pitch was measured, twice: true mel and predicted mel.

    Returns the number of rows. The voice of an unnamed speaker is heard from the row itself.
    """
    out.mkdir(parents=True, exist_ok=True)
    pitch = corpus.pitch
    rows = [i for i, r in enumerate(corpus.rows) if not np.isnan(pitch[r.start])]
    rows.sort(key=lambda i: corpus.rows[i].frames)
    generator = torch.Generator().manual_seed(seed)
    deviation = torch.from_numpy(np.asarray(corpus.latents[:200_000], np.float32).std(0))
    written: list[Row] = []
    start = 0
    with (out / "mel.f16.part").open("wb") as mels, (out / "pitch.f16.part").open("wb") as pitches:
        for first in tqdm(range(0, len(rows), batch), disable=None, desc="predict"):
            chunk = rows[first : first + batch]
            predicted = predict_mels(model, corpus, chunk, generator, deviation)
            for index, made in zip(chunk, predicted, strict=True):
                row = corpus.rows[index]
                span = slice(row.start, row.start + row.frames)
                for suffix, mel in (("", corpus.mel[span]), ("+forced", made)):
                    np.asarray(mel, np.float16).tofile(mels)
                    np.asarray(pitch[span]).tofile(pitches)
                    written.append(replace(row, id=row.id + suffix, start=start))
                    start += row.frames
    for name in ("mel.f16", "pitch.f16"):
        (out / f"{name}.part").replace(out / name)
    lines = [json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in written]
    partial = out / "rows.jsonl.part"
    partial.write_text("".join(lines), "utf-8")
    partial.replace(out / "rows.jsonl")
    return len(written)


@torch.inference_mode()
def predict_mels(
    model: JepaModel, corpus: Corpus, rows: list[int], generator: torch.Generator, deviation: Tensor
) -> list[np.ndarray]:
    """Teacher-forced log-mels [F, M] of some rows, with noise on the history."""
    data = corpus.text_audio(rows, model.config.speakers)
    mask = torch.arange(data.latents.shape[1]) < data.lengths[:, None]
    heard = model.voices.hear(data.latents, mask)
    named = model.voices.lookup(data.voices.clamp_min(0))
    voice = torch.where((data.voices >= 0)[:, None], named, heard)
    text = model.text_encoder(data.ids)
    plan = Plan(text, data.ids != PAD, voice, data.durations, data.lengths)
    noise = torch.randn(data.latents.shape, generator=generator) * deviation * HISTORY_NOISE
    mels = model.mel_decoder(model.predict(plan, data.latents + noise).latents)
    lengths = (data.lengths * STRIDE).tolist()
    return [mel[:, :n].T.numpy() for mel, n in zip(mels, lengths, strict=True)]
