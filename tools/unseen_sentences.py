# /// script
# requires-python = ">=3.10"
# dependencies = ["click"]
# ///
"""Sentences of WordNet that no training corpus holds, to try a voice on many of them.

    uv run tools/unseen_sentences.py --wordnet wordnet/usr/share/wordnet --out thousand.txt
        --corpus corpora/teacher/manifest.jsonl --corpus corpora/varied/manifest.jsonl

Definitions and usage examples as the teacher corpus words them; a sentence that shares one with a
corpus is left out. The same arguments give the same sentences.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import click

PARTS = ("noun", "verb", "adj", "adv")
WORDS = range(4, 27)


def glosses(wordnet: Path) -> list[str]:
    """Every definition and usage example that is plain words, as a sentence, in a fixed order."""
    found = set()
    for part in PARTS:
        for line in (wordnet / f"data.{part}").read_text("latin-1").splitlines():
            if "|" in line and not line.startswith(" "):
                gloss = line.split("|", 1)[1]
                found.add(re.sub(r"\([^)]*\)", "", gloss.split(";")[0]))
                found.update(re.findall(r'"([^"]{12,150})"', gloss))
    plain = (" ".join(text.replace("`", "'").split()).strip(' "-;:,') for text in found)
    return sorted(text[0].upper() + text[1:].rstrip(".!?") + "." for text in plain if _plain(text))


def _plain(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z' ,.;:!?-]+", text)) and len(text.split()) in WORDS


def key(sentence: str) -> str:
    """What two wordings of one sentence share: its letters."""
    return re.sub(r"[^a-z]", "", sentence.lower())


def unseen(wordnet: Path, corpora: list[Path], count: int, seed: int = 0) -> list[str]:
    """``count`` sentences that are in none of the manifests ``corpora``.

    Raises:
        ValueError: if there are not so many.
    """
    heard = set()
    for corpus in corpora:
        for line in corpus.read_text("utf-8").splitlines():
            text = json.loads(line)["text"]
            heard.update(map(key, (text, *re.split(r"(?<=[.!?]) ", text))))
    fresh = [sentence for sentence in glosses(wordnet) if key(sentence) not in heard]
    if len(fresh) < count:
        raise ValueError(f"{wordnet} has {len(fresh)} unseen sentences, fewer than {count}")
    return random.Random(seed).sample(fresh, count)


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
@click.option("--wordnet", type=click.Path(exists=True, file_okay=False, path_type=Path),
              required=True)  # fmt: skip
@click.option("--corpus", "corpora", type=FILE, multiple=True, help="A manifest to keep out of.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(wordnet: Path, corpora: tuple[Path, ...], out: Path, count: int, seed: int) -> None:
    lines = unseen(wordnet, list(corpora), count, seed)
    out.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    click.echo(f"{out}: {len(lines)} sentences")


if __name__ == "__main__":
    main()
