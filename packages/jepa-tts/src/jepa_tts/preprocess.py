"""From a manifest to a training cache: mels, pitch, and the frames of every byte."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from jepa_tts.config import STRIDE
from jepa_tts.corpus import Corpus, split_of

if TYPE_CHECKING:
    from jepa_tts.model import JepaModel

_log = logging.getLogger(__name__)
PITCH_RANGE = (50.0, 550.0)
"""Hz in which F0 is looked for."""
VOICED = 0.5
"""Confidence from which a frame counts as voiced."""


class Features(NamedTuple):
    """Of one utterance: ``mel`` [F, M] and ``f0`` [F] in Hz, float16."""

    mel: np.ndarray
    f0: np.ndarray


def _features(folder: Path, row: Mapping[str, Any], pitch: bool) -> Features:
    import soundfile
    import torch

    from voice_data.mel import MelConfig, log_mel

    config = MelConfig()
    samples, rate = soundfile.read(folder / row["audio"], dtype="float32")
    if rate != config.sample_rate:
        raise ValueError(
            f"{row['audio']} has {rate} Hz, the model wants {config.sample_rate}: "
            "run `voice-data prepare` first"
        )
    mel = log_mel(torch.from_numpy(samples)[None], config)[0].T.numpy()
    mel = mel[: len(mel) // STRIDE * STRIDE]
    f0 = np.full(len(mel), np.nan, np.float32)
    if pitch:
        f0 = measure_pitch(samples, rate, np.arange(len(mel)) / config.frame_rate)
    return Features(mel.astype(np.float16), f0.astype(np.float16))


def measure_pitch(samples: np.ndarray, rate: int, times: np.ndarray) -> np.ndarray:
    """F0 in Hz at ``times`` [F] seconds into ``samples`` [S], 0 where unvoiced.

    SwiftF0 (Nieradzik, 2025), a neural tracker, because autocorrelation and DIO put creaky low
    voices an octave too high.
    """
    found = _tracker().detect(samples, rate, *PITCH_RANGE)
    f0 = np.interp(times, found.timestamps, found.pitch_hz)
    voiced = np.interp(times, found.timestamps, found.confidence) >= VOICED
    return f0 * voiced


@lru_cache(maxsize=1)
def _tracker() -> Any:
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1, spin=False)


def _all_features(
    folder: Path, rows: Sequence[Mapping[str, Any]], pitch: Sequence[bool], workers: int
) -> Iterator[Features]:
    jobs = ([folder] * len(rows), rows, pitch)
    if workers == 1:
        yield from map(_features, *jobs)
        return
    # spawned, because a forked process inherits torch's threads and may hang
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        yield from pool.map(_features, *jobs, chunksize=16)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def preprocess(
    manifest: Path,
    out: Path,
    *,
    pitch_share: float = 0.25,
    workers: int = 1,
    limit: int | None = None,
) -> int:
    """Write the cache of a manifest; returns the number of utterances.

    Pitch is measured on ``pitch_share`` of the utterances: enough to train the auto-encoder and the
    vocoder, and the dearest step.

    Raises:
        ValueError: for a recording at another sample rate than the model's.
    """
    out.mkdir(parents=True, exist_ok=True)
    lines = manifest.read_text("utf-8").splitlines()[:limit]
    rows = [json.loads(line) for line in lines]
    every = max(1, round(1 / pitch_share)) if pitch_share > 0 else 0
    wants = [every > 0 and i % every == 0 for i in range(len(rows))]
    start = byte_start = 0
    parts = {name: out / f"{name}.f16.part" for name in ("mel", "pitch")}
    with (
        parts["mel"].open("wb") as mel_file,
        parts["pitch"].open("wb") as pitch_file,
        (out / "rows.jsonl.part").open("w", encoding="utf-8") as index,
    ):
        results = _all_features(manifest.parent, rows, wants, workers)
        for row, (mel, f0) in tqdm(zip(rows, results, strict=True), total=len(rows), disable=None):
            mel.tofile(mel_file)
            f0.tofile(pitch_file)
            extra = row.get("extra", {})
            record = {
                "id": row["id"],
                "audio": str((manifest.parent / row["audio"]).resolve()),
                "text": row["text"],
                "speaker": row.get("speaker", ""),
                "split": row.get("split") or split_of(row["text"]),
                "phonemes": extra.get("phonemes", ""),
                "seconds": extra.get("seconds", []),
                "start": start,
                "frames": len(mel),
                "byte_start": byte_start,
            }
            index.write(json.dumps(record, ensure_ascii=False) + "\n")
            start += len(mel)
            byte_start += len(row["text"].encode("utf-8")) + 2
    for name, part in parts.items():
        part.replace(out / f"{name}.f16")
    (out / "rows.jsonl.part").replace(out / "rows.jsonl")
    return len(rows)


def align(model: JepaModel, corpus: Corpus, *, batch: int = 64) -> float:
    """Write ``bytes.f16``: the seconds of the phonemes, carried to the bytes that sound them.

    The text encoder's CTC head says which byte each phoneme belongs to (the best path); the
    phonemes' seconds come from the manifest. Returns the share of phonemes whose byte the head was
    sure of.

    Raises:
        ValueError: if an utterance does not name the seconds of its phonemes, of the silence before
            and of the silence after them, or has a phoneme that the model does not know.
    """
    import torch

    from jepa_tts.text import HALVES, collate_text

    frame_seconds = STRIDE / model.config.mel.frame_rate
    table = {p: i + 1 for i, p in enumerate(model.config.phonemes)}
    path, sure, total = corpus.folder / "bytes.f16.part", 0, 0
    count = sum(row.bytes for row in corpus.rows)
    out = np.memmap(path, np.float16, "w+", shape=(count,))
    order = sorted(corpus.rows, key=lambda row: row.bytes)
    device = next(model.parameters()).device
    with torch.inference_mode():
        for start in tqdm(range(0, len(order), batch), disable=None, desc="align"):
            rows = order[start : start + batch]
            encoded = model.text_encoder(collate_text([r.text for r in rows]).to(device))
            logits = model.text_encoder.phoneme_logits(encoded)
            scores = logits.log_softmax(-1).cpu().numpy()
            for row, score in zip(rows, scores, strict=True):
                if len(row.seconds) != len(row.phonemes) + 2:
                    raise ValueError(
                        f"{row.id} has {len(row.phonemes)} phonemes, {len(row.seconds)} seconds: "
                        "the manifest must give one for each, one before and one after them"
                    )
                if unknown := sorted(set(row.phonemes) - set(table)):
                    raise ValueError(
                        f"{row.id} has the phoneme {unknown[0]!r}, which the model does not know: "
                        "train the stage `pronounce` on this manifest first"
                    )
                ids = np.asarray([table[p] for p in row.phonemes], np.int64)
                slots = best_path(score[: row.bytes * HALVES], ids)
                sure += int((score[slots, ids] > np.log(0.5)).sum())
                total += len(ids)
                frames = byte_frames(slots // HALVES, row.seconds, row.bytes, frame_seconds)
                frames *= row.latent_frames / max(1e-6, frames.sum())
                out[row.byte_start : row.byte_start + row.bytes] = frames
    out.flush()
    del out
    path.replace(corpus.folder / "bytes.f16")
    return sure / max(1, total)


def byte_frames(owner: np.ndarray, seconds: list[float], count: int, frame: float) -> np.ndarray:
    """Latent frames of each of ``count`` bytes; lead-in goes to BEGIN, the tail to END."""
    frames = np.zeros(count, np.float32)
    frames[0] += seconds[0] / frame
    frames[-1] += seconds[-1] / frame
    np.add.at(frames, owner, np.asarray(seconds[1:-1], np.float32) / frame)
    return frames


def best_path(scores: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The slot of each label on the best path; scores [S, P] are log probabilities, blank 0.

    Each label takes exactly one slot, in order; all other slots are blank (CTC paths on which no
    label lasts; equal labels may touch).

    Raises:
        ValueError: if there are more labels than slots.
    """
    slots, labels = len(scores), len(ids)
    if labels > slots:
        raise ValueError(f"{labels} phonemes do not fit into {slots} slots")
    gain = scores[:, ids] - scores[:, :1]  # [S, L]: a label here instead of a blank
    best = np.full(labels + 1, -np.inf, np.float32)
    best[0] = 0.0
    taken = np.empty((slots, labels), bool)  # whether the best path to here has the label here
    for slot in range(slots):
        take = best[:-1] + gain[slot]
        taken[slot] = take > best[1:]
        best[1:] = np.maximum(best[1:], take)
    path, slot = np.empty(labels, np.int64), slots - 1
    for label in range(labels - 1, -1, -1):
        while not taken[slot, label]:
            slot -= 1
        path[label] = slot
        slot -= 1
    return path


def encode(model: JepaModel, corpus: Corpus, *, batch: int = 32) -> int:
    """Write ``latents.f16``, the encoder's means of the whole cache; returns how many frames."""
    import torch

    order = sorted(range(len(corpus.rows)), key=lambda i: corpus.rows[i].frames)
    total = sum(row.latent_frames for row in corpus.rows)
    width, device = model.config.latent, next(model.parameters()).device
    path = corpus.folder / "latents.f16.part"
    out = np.memmap(path, np.float16, "w+", shape=(total, width))
    with torch.inference_mode():
        for start in tqdm(range(0, len(order), batch), disable=None, desc="encode"):
            chunk = order[start : start + batch]
            mels = [corpus.mel_of(i) for i in chunk]
            padded = torch.nn.utils.rnn.pad_sequence(mels, batch_first=True).transpose(1, 2)
            lengths = torch.tensor([len(m) for m in mels]).to(device)
            means = model.audio_encoder(padded.to(device), lengths).mean.cpu().numpy()
            for index, mean in zip(chunk, means, strict=True):
                row = corpus.rows[index]
                first = row.start // STRIDE
                out[first : first + row.latent_frames] = mean[: row.latent_frames]
    out.flush()
    del out
    (corpus.folder / "latents.json").write_text(json.dumps({"latent": width}), "utf-8")
    path.replace(corpus.folder / "latents.f16")
    return total
