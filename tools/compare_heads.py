# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "numpy", "jepa-tts[train]", "tqdm", "voice-data[metrics]"]
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
"""Hold the predictor's head, which expects the next embedding, against one that draws it.

    uv run tools/compare_heads.py cache --out runs/heads --sentences 40

The head that draws is a rectified flow over what the expectation leaves out (Liu et al., "Flow
straight and fast", 2023), a small network beside the frozen predictor as in Li et al.,
"Autoregressive image generation without vector quantization" (2024). It learns from the training
rows of the cache, whose history is noised as in training. Both speak the same held-out
sentences, running free; at a temperature of 0.5 the draw starts from half the noise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import torch
from protocol import limit_threads
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from voice_data.audio import Audio, write
from voice_data.score import Row, score
from voice_data.storage import write_text

if TYPE_CHECKING:
    from jepa_tts.corpus import Corpus
    from jepa_tts.model import JepaModel, Plan
    from jepa_tts.vocoder import Vocoder

HIDDEN, BLOCKS, TIMES = 384, 3, 16
FRAMES = 1024
"""Latent frames of one step of training."""
MOST_NOISE = 0.8
EXPECTED = "expected"


class Seen(NamedTuple):
    """Frames T of teacher-forced speech: the predictor's last ``states`` [T, D], what it
    ``expected`` and what was ``true`` [T, Z].
    """

    states: Tensor
    expected: Tensor
    true: Tensor


class DrawingHead(nn.Module):
    """What the expectation leaves out, drawn: a velocity field from noise to the residual."""

    scale: Tensor

    def __init__(self, width: int, latent: int, scale: Tensor) -> None:
        super().__init__()
        self.enter = nn.Linear(latent + width + TIMES, HIDDEN)
        self.norms = nn.ModuleList(nn.LayerNorm(HIDDEN) for _ in range(BLOCKS))
        self.inner = nn.ModuleList(nn.Linear(HIDDEN, HIDDEN) for _ in range(BLOCKS))
        self.leave = nn.Linear(HIDDEN, latent)
        nn.init.zeros_(self.leave.weight)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor, time: Tensor, state: Tensor) -> Tensor:
        """The velocity [T, Z] at ``x`` [T, Z] and ``time`` [T] for the ``state`` [T, D]."""
        turns = time[:, None] * math.pi * 2.0 ** torch.linspace(-1, 3, TIMES // 2)
        wave = torch.cat((turns.sin(), turns.cos()), dim=1)
        y = self.enter(torch.cat((x, state, wave), dim=1))
        for norm, inner in zip(self.norms, self.inner, strict=True):
            y = y + inner(F.silu(norm(y)))
        return self.leave(F.silu(y))

    def loss(self, seen: Seen, generator: torch.Generator) -> Tensor:
        """Flow matching along straight lines."""
        target = (seen.true - seen.expected) / self.scale
        noise = torch.randn(target.shape, generator=generator)
        time = torch.rand(len(target), generator=generator)
        between = torch.lerp(noise, target, time[:, None])
        return F.mse_loss(self(between, time, seen.states), target - noise)

    def draw(
        self, state: Tensor, expected: Tensor, temperature: float, steps: int, noise: Tensor
    ) -> Tensor:
        """The next embedding [B, Z], by Euler's method."""
        x = noise * temperature
        for step in range(steps):
            x = x + self(x, torch.full((len(x),), step / steps), state) / steps
        return expected + x * self.scale


class Listener:
    """What the predictor's last norm gave most recently."""

    def __init__(self, model: JepaModel) -> None:
        self.state = torch.empty(0)
        model.predictor.norms[-1].register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: Any, output: Tensor) -> None:  # noqa: ARG002
        self.state = output


@torch.inference_mode()
def heard(model: JepaModel, corpus: Corpus, rows: Sequence[int]) -> Seen:
    """Teacher-forced states of rows whose speakers are named, the history noised by row."""
    from jepa_tts.alphabet import PAD
    from jepa_tts.model import Plan

    listener, generator = Listener(model), torch.Generator().manual_seed(0)
    spread = torch.cat([corpus.latents_of(i) for i in rows[:100]]).std(0)
    found: list[Seen] = []
    for index in tqdm(rows, desc="states"):
        data = corpus.text_audio([index], model.config.speakers)
        voice = model.voices.table.weight[data.voices]
        text = model.text_encoder(data.ids)
        plan = Plan(text, data.ids != PAD, voice, data.durations, data.lengths)
        level = MOST_NOISE * torch.rand(1, generator=generator)
        noise = torch.randn(data.latents.shape, generator=generator) * spread * level
        made = model.predict(plan, data.latents + noise).latents
        found.append(Seen(listener.state[0], made[0], data.latents[0]))
    return Seen(*(torch.cat(part).clone() for part in zip(*found, strict=True)))


def taught(seen: Seen, steps: int, seed: int) -> DrawingHead:
    """A head that has learnt to draw."""
    torch.manual_seed(seed)
    scale = (seen.true - seen.expected).std(0)
    head = DrawingHead(seen.states.shape[1], seen.true.shape[1], scale)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(seed)
    bar = tqdm(range(steps), desc="head")
    for _ in bar:
        chosen = torch.randint(len(seen.true), (FRAMES,), generator=generator)
        loss = head.loss(Seen(*(part[chosen] for part in seen)), generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        bar.set_postfix(loss=f"{float(loss.detach()):.3f}")
    return head.eval()


@torch.inference_mode()
def run_free(
    model: JepaModel, plan: Plan, head: DrawingHead | None, temperature: float, steps: int
) -> Tensor:
    """Latents [1, T, Z] of exactly the planned frames; without a head the expected ones."""
    listener, generator = Listener(model), torch.Generator().manual_seed(0)
    frames = int(plan.lengths[0])
    times, state = plan.clock(frames), model.predictor.begin(plan.text, plan.mask, frames)
    past, made = model.predictor.start.expand(1, 1, -1), []
    for frame in range(frames):
        rows = times.rows(frame, frame + 1)
        past = model.predictor.step(past, plan.text, plan.voice, rows, state).latents
        if head is not None:
            noise = torch.randn(past[0].shape, generator=generator)
            past = head.draw(listener.state[0], past[0], temperature, steps, noise)[None]
        made.append(past)
    return torch.cat(made, dim=1)


def spoken(
    model: JepaModel, vocoder: Vocoder, lines: Sequence[str], **drawing: Any
) -> Iterator[tuple[Audio, float]]:
    """Each line, the named voices in turn, and how much its latents vary from frame to frame."""
    from jepa_tts.text import collate_text

    table = model.voices.table.weight
    for number, line in enumerate(tqdm(lines, desc="speaking")):
        with torch.inference_mode():
            plan = model.plan(collate_text([line]), table[number % len(table)][None])
            latents = run_free(model, plan, **drawing)
            noise = torch.Generator().manual_seed(0)
            samples = vocoder(model.mel_decoder(latents), generator=noise).samples[0]
            change = float(latents.diff(dim=1).square().mean())
        yield Audio(samples.clamp(-1, 1).numpy(), vocoder.config.sample_rate), change


def compare(
    cache: Path,
    out: Path,
    *,
    text: Path,
    sentences: int,
    rows: int,
    steps: int,
    temperatures: Sequence[float],
    draws: Sequence[int],
    vocoder: Path | None,
    threads: int,
    seed: int,
) -> dict[str, dict[str, float]]:
    """The figures by head, also written to ``out/heads.json``."""
    from jepa_tts.catalogue import shipped
    from jepa_tts.corpus import Corpus
    from jepa_tts.pack import load_package

    limit_threads(threads)
    package, corpus = load_package(shipped(), vocoder), Corpus(cache)
    model, sound = package.model.eval(), package.vocoder.eval()
    named = corpus.part("train", model.config.speakers)
    if not named:
        raise click.UsageError(f"{cache} has no training rows of {model.config.speakers}")
    order = torch.randperm(len(named), generator=torch.Generator().manual_seed(seed))[:rows]
    head = taught(heard(model, corpus, [named[int(i)] for i in order]), steps, seed)
    arms: dict[str, dict[str, Any]] = {EXPECTED: {"head": None, "temperature": 0.0, "steps": 0}}
    for temperature in temperatures:
        for count in draws:
            arm = {"head": head, "temperature": temperature, "steps": count}
            arms[f"drawn at {temperature:g} in {count}"] = arm
    lines, found = text.read_text("utf-8").split("\n")[:sentences], {}
    for name, arm in arms.items():
        place = out / name.replace(" ", "-")
        place.mkdir(parents=True, exist_ok=True)
        judged, changes = [], []
        for k, (audio, change) in enumerate(spoken(model, sound, lines, **arm)):
            write(place / f"{k}.wav", audio)
            judged.append(Row(audio=place / f"{k}.wav", text=lines[k], id=str(k)))
            changes.append(change)
        summary = score(judged, metrics=["wer", "distillmos"], threads=threads).summary()
        found[name] = {key: summary[key].mean for key in ("wer", "distillmos")}
        found[name]["change"] = sum(changes) / len(changes)
    write_text(out / "heads.json", json.dumps(found, indent=1) + "\n")
    return found


def table(found: Mapping[str, Mapping[str, float]], sentences: int) -> str:
    """The figures as Markdown."""
    lines = ["| head | WER | DistillMOS | change from frame to frame |", "|---|---|---|---|"]
    for name, figures in found.items():
        wer, mos, change = (figures[key] for key in ("wer", "distillmos", "change"))
        lines.append(f"| {name} | {wer:.3f} | {mos:.2f} | {change:.3f} |")
    return "\n".join([*lines, f"\n{sentences} held-out sentences"])


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
TEXT = Path(__file__).parent / "data" / "heldout.txt"


@click.command(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
@click.argument("cache", type=FOLDER)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--text", type=click.Path(exists=True, path_type=Path), default=TEXT)
@click.option("--sentences", type=click.IntRange(1), default=40, show_default=True)
@click.option("--rows", type=click.IntRange(1), default=1500, show_default=True)
@click.option("--steps", type=click.IntRange(1), default=3000, show_default=True)
@click.option("--temperature", "temperatures", type=float, multiple=True, default=(0.5, 1.0))
@click.option("--draw-steps", "draws", type=click.IntRange(1), multiple=True, default=(1, 4))
@click.option("--vocoder", type=FOLDER, help="A vocoder's folder.  [default: the shipped one]")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(as_json: bool, cache: Path, out: Path, sentences: int, **options: Any) -> None:
    found = compare(cache, out, sentences=sentences, **options)
    click.echo(json.dumps(found, indent=1) if as_json else table(found, sentences))


if __name__ == "__main__":
    main()
