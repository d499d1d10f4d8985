# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "jepa-tts", "numpy", "voice-hypernet[train,metrics]"]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.11.0", "torchaudio==2.11.0"]
#
# [tool.uv.sources]
# jepa-tts = { path = "../packages/jepa-tts", editable = true }
# voice-data = { path = "../packages/voice-data", editable = true }
# voice-hypernet = { path = "../packages/voice-hypernet", editable = true }
# ///
"""What parts of a hypernetwork's training are worth: small runs that differ in one thing.

    uv run tools/ablate_hypernet.py --data encoded --voices voices --start run/model \\
        --out runs/ablation

Fusions (concat, add, cross-attention) and languages (both, English alone, Korean alone). Every run
begins with the same trunk and heads, those of --start, and with a reader of text and clips of its
own, drawn from one seed; so the table shows how fast each learns to be told, not how good it can
become. Losses are those of the base on voices that no run heard, in words of one language each;
with --descriptions also the share of gender, pitch and rate that is heard as it was asked for. Runs
that are done are kept; a killed one goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from protocol import hardware, limit_threads

from voice_data.storage import write_text
from voice_hypernet.config import FUSIONS, Fusion, Shares, TrainConfig

if TYPE_CHECKING:
    from voice_data.speech import SpeechModel

Encode = Callable[[Sequence[str]], np.ndarray]
LANGUAGES = ("en", "ko")
SHARES = Shares(text=0.5, both=0.2, none=0.05)


@click.command(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
@click.option("--data", required=True, help="An encoded set.")
@click.option("--voices", required=True, help="What `t2a-prepare` made of it.")
@click.option("--start", required=True, help="A trained hypernetwork's folder.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--base", default="jepa-tts", show_default=True)
@click.option("--descriptions", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--drawn", type=click.IntRange(1), default=24, show_default=True,
              help="Descriptions that are spoken for each run.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1), default=120, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=900, show_default=True)
@click.option("--phrases", type=click.IntRange(1), default=40, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(descriptions: Path | None, drawn: int, out: Path, threads: int, **options: Any) -> None:
    from voice_data.speech import load_speech_model
    from voice_hypernet.descriptions import load_encoder

    limit_threads(threads)
    model, encode = load_speech_model(options["base"]), remembered(load_encoder().encode)
    found = {}
    for name, config in runs(out, **options).items():
        found[name] = measured(config, model, encode)
        if descriptions is not None:
            found[name] |= heard(name, config, model, descriptions, drawn)
        click.echo(table({name: found[name]}).splitlines()[-1], err=True)
    settings = {**options, "drawn": drawn, "threads": threads, "hardware": hardware()}
    write_text(out / "ablation.json", json.dumps([settings, found], indent=1) + "\n")
    click.echo(table(found))


def runs(out: Path, *, start: str, steps: int, **options: Any) -> dict[str, TrainConfig]:
    """The runs by name, each with a start of its own fusion."""
    kinds: dict[str, tuple[Fusion, tuple[str, ...]]] = {
        **{f"fusion {fusion}": (fusion, LANGUAGES) for fusion in FUSIONS},
        **{f"{language} alone": ("concat", (language,)) for language in LANGUAGES},
    }
    found = {}
    for name, (fusion, languages) in kinds.items():
        folder = out / name.replace(" ", "-")
        begun = begin(start, folder / "start", fusion, options["seed"])
        found[name] = TrainConfig(
            out=str(folder), start=str(folder / "start"), model=begun, languages=languages,
            shares=SHARES, steps=steps, warm_up=min(10, steps), learning_rate=1e-3, average=0.97,
            save_every=max(20, steps // 4), validate_every=steps, sentence="", **options,
        )  # fmt: skip
    return found


def begin(start: str, folder: Path, fusion: Fusion, seed: int) -> Any:
    """Save the trunk and heads of ``start`` behind a new reader; returns the network's config."""
    import torch

    from voice_hypernet.checkpoint import load_hypernet, save_hypernet
    from voice_hypernet.network import VoiceNetwork

    found = load_hypernet(start)
    config = replace(found.network.config, fusion=fusion)
    neutral = {
        name.removeprefix("neutral_"): value for name, value in found.network.named_buffers()
    }
    torch.manual_seed(seed)
    network = VoiceNetwork(config, found.groups, neutral)
    trained = found.network.state_dict()
    kept = {n: v for n, v in trained.items() if not n.startswith("conditioner.")}
    network.load_state_dict({**network.state_dict(), **kept})
    if not (folder / "config.json").is_file():
        save_hypernet(folder, replace(found, network=network))
    return config


def remembered(encode: Encode) -> Encode:
    """The same, reading every text once: all runs are told the same sentences."""
    known: dict[str, np.ndarray] = {}

    def encoded(texts: Sequence[str]) -> np.ndarray:
        if missing := [text for text in dict.fromkeys(texts) if text not in known]:
            known.update(zip(missing, encode(missing), strict=True))
        return np.stack([known[text] for text in texts])

    return encoded


def measured(config: TrainConfig, model: SpeechModel, encode: Encode) -> dict[str, float]:
    """Train, and what comes of it on voices that were held out."""
    from voice_hypernet.train import train, validate

    trained = train(config, model=model, encode=encode)
    found = {"clip": trained.held_out["clip"], "none": trained.held_out["none"]}
    for language in LANGUAGES:
        told = replace(config, start=str(trained.folder), languages=(language,))
        losses = validate(told, model=model, encode=encode)
        found[f"text {language}"], found[f"both {language}"] = losses["text"], losses["both"]
    return found


def heard(
    name: str, config: TrainConfig, model: SpeechModel, descriptions: Path, drawn: int
) -> dict[str, float]:
    """The share of gender, pitch and rate that is right, by language; one sentence each."""
    import random

    from voice_hypernet.adherence import counts, measured
    from voice_hypernet.evaluate import Take, Voicer, read_descriptions
    from voice_hypernet.judgement import speak_takes
    from voice_hypernet.voices import VoiceHypernet

    text = (Path(__file__).parent / "data" / "heldout.txt").read_text("utf-8").splitlines()[0]
    voicer = Voicer(VoiceHypernet.from_pretrained(Path(config.out) / "model"), model)
    wanted = read_descriptions(descriptions)
    rows: list[int] = []
    for language in LANGUAGES:
        mine = [place for place, each in enumerate(wanted) if each.language == language]
        rows += random.Random(config.seed).sample(mine, min(len(mine), drawn // len(LANGUAGES)))
    takes = (Take(name, str(i), text, voicer.make(text=wanted[i].text), None) for i in rows)
    spoken = speak_takes(takes, voicer, Path(config.out) / "spoken", config.seed)
    found = measured(spoken)
    return {f"heard {language}": counts(found, wanted, language)["main"] for language in LANGUAGES}


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Losses, and shares that are heard, as Markdown."""
    columns = list(next(iter(found.values())))
    rows = [["run", *columns]]
    rows += [
        [name, *(f"{row[c]:.1%}" if c.startswith("heard") else f"{row[c]:.4f}" for c in columns)]
        for name, row in found.items()
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
