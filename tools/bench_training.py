"""What a step of tts-lora's training costs, against plain PEFT in a plain `transformers.Trainer`.

    python tools/bench_training.py --recordings corpora/prompts-prepared/manifest.jsonl --json

Each arm trains one epoch on the same clips, encoded before, with the same adapter, optimiser and
number of clips in a batch, in a process of its own. The arms take turns; the figures are medians:

    tts-lora        `descend`, in batches of clips of similar length, of which ``--at-once``
                    positions run at once
    same batches    PEFT and Trainer, given the very batches of tts-lora
    any batches     PEFT and Trainer, in Trainer's own random order

Seconds are the processor's, so that a busy machine changes them little; memory is the peak over
what the process had with the model alone. The bases are the shipped jepa-tts, and an Orpheus of
random weights with the published vocabulary, for which the plain loop runs the loss of
transformers. The recordings go in even steps from the shortest to the longest.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tts_lora.config import TrainConfig
    from voice_data.manifest import Utterance
    from voice_data.speech import SpeechModel

ARMS = ("tts-lora", "same batches", "any batches")
BASES = ("jepa-tts", "orpheus")
TOYS = {"width": 384, "layers": 6, "heads": 6}
CODEC = {  # of the published times, and thin: no codec runs in training
    "sampling_rate": 24_000, "encoder_dim": 4, "encoder_rates": [2, 4, 8, 8], "decoder_dim": 16,
    "decoder_rates": [8, 8, 4, 2], "attn_window_size": None, "codebook_size": 4096,
    "codebook_dim": 8, "vq_strides": [4, 2, 1],
}  # fmt: skip


@click.command()
@click.option("--recordings", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--base", "bases", multiple=True, type=click.Choice(BASES), default=BASES)
@click.option("--clips", default=48, show_default=True, help="Recordings of an epoch.")
@click.option("--batch", default=8, show_default=True, help="Clips in a pass.")
@click.option(
    "--at-once", default=512, show_default=True, help="Positions that tts-lora runs at once."
)
@click.option("--rounds", default=3, show_default=True, help="Turns of every arm.")
@click.option("--threads", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--arm", type=click.Choice(ARMS), hidden=True)
@click.option("--work", type=click.Path(path_type=Path), help="Keep what is prepared here.")
def main(
    recordings: Path | None, bases: tuple[str, ...], clips: int, batch: int, at_once: int,
    rounds: int, threads: int, as_json: bool, arm: str | None, work: Path | None,
) -> None:  # fmt: skip
    """Measure every arm on every base."""
    if arm is not None and work is not None:
        config = settings_of(arm, work / bases[0], batch, at_once)
        click.echo(json.dumps(measured(arm, bases[0], config, threads)))
        return
    with tempfile.TemporaryDirectory() as folder:
        place, figures = work or Path(folder), {}
        words = ["--work", str(place), "--batch", str(batch), "--at-once", str(at_once)]
        words += ["--threads", str(threads)]
        for base in bases:
            if not (place / base / "data").exists():
                if recordings is None:
                    raise click.UsageError("Missing --recordings: name a manifest")
                prepare_work(base, place / base, recordings, clips)
            figures[base] = _arms(base, words, threads, rounds)
    import torch
    from protocol import hardware

    settings = {
        "clips": clips, "batch": batch, "at_once": at_once, "rounds": rounds, "threads": threads,
        "torch": str(torch.__version__),
    }  # fmt: skip
    values = {"bases": figures, "settings": settings, "hardware": hardware()}
    click.echo(json.dumps(values, indent=1) if as_json else _table(figures))


def _arms(base: str, words: Sequence[str], threads: int, rounds: int) -> dict[str, Any]:
    """The median figures of each arm, and the ratios to the first."""
    turns: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for _ in range(rounds):
        for arm, made in turns.items():
            made.append(_turn(base, arm, ["--base", base, *words], threads))
            click.echo(f"{base}, {arm}: {json.dumps(made[-1])}", err=True)
    found = {arm: _medians(made) for arm, made in turns.items()}
    ours = found["tts-lora"]
    for figures in found.values():
        figures["times_slower"] = round(figures["cpu_seconds"] / ours["cpu_seconds"], 2)
        figures["our_share_of_memory"] = round(ours["megabytes"] / figures["megabytes"], 2)
    return found


def _turn(base: str, arm: str, words: Sequence[str], threads: int) -> dict[str, Any]:
    """What one arm measures of itself in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--arm", arm, *words],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(f"the arm {arm!r} of {base} failed, see above")
    return json.loads(done.stdout.splitlines()[-1])


def _medians(turns: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}


def prepare_work(base: str, work: Path, recordings: Path, clips: int) -> None:
    """``work/data``, and for Orpheus the base in ``work/base``."""
    from voice_data.encoded import PrepareConfig, SourceConfig, prepare
    from voice_data.manifest import read_manifest, write_manifest

    chosen = spread(read_manifest(recordings), clips)
    source = work / "source"
    for item in chosen:
        target = source / item.audio
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(item.path_in(recordings.parent), target)
    write_manifest(source / "manifest.jsonl", chosen)
    if base == "orpheus":
        make_orpheus(work / "base")
    config = PrepareConfig(
        sources=(SourceConfig(folder=str(source)),), base=base, out=str(work / "data")
    )
    prepare(config, model=load(base, work))


def spread(items: Sequence[Utterance], count: int) -> list[Utterance]:
    """So many clips from the shortest to the longest that is under 12 s, in even steps.

    Raises:
        UsageError: if there are fewer.
    """
    usable = [item for item in items if 0.6 <= (item.duration or 0.0) <= 12.0]
    by_length = sorted(usable, key=lambda item: (item.duration or 0.0, item.id))
    if len(by_length) < max(2, count):
        raise click.UsageError(
            f"{len(by_length)} recordings can be used: ask for fewer than {count}"
        )
    step = (len(by_length) - 1) / (count - 1)
    return [by_length[round(index * step)] for index in range(count)]


def make_orpheus(folder: Path) -> None:
    """A Llama of random weights with the published vocabulary, and a codec."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from tts_lora.families.codec import new_snac
    from tts_lora.families.codec_lm import CodecLm
    from tts_lora.families.orpheus import OrpheusConfig, OrpheusLayout
    from tts_lora.families.sampling import GREEDY

    torch.manual_seed(0)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    layout = OrpheusLayout(OrpheusConfig(), fast, new_snac(CODEC))
    config = LlamaConfig(
        vocab_size=layout.vocabulary,
        hidden_size=TOYS["width"],
        intermediate_size=3 * TOYS["width"],
        num_hidden_layers=TOYS["layers"],
        num_attention_heads=TOYS["heads"],
        num_key_value_heads=TOYS["heads"] // 3,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
    )
    CodecLm(LlamaForCausalLM(config), layout, GREEDY).save_pretrained(folder)


def load(base: str, work: Path) -> SpeechModel:
    """The base model."""
    from voice_data.speech import load_speech_model

    return load_speech_model(base if base == "jepa-tts" else f"{base}:{work / 'base'}")


def settings_of(arm: str, work: Path, batch: int, at_once: int) -> TrainConfig:
    """Of one epoch; the plain loop knows no parts of a batch."""
    from tts_lora.config import LoraConfig, TrainConfig

    return TrainConfig(
        data=str(work / "data"), out=str(work / "out"), clips=batch, batch=1 << 20, device="cpu",
        at_once=at_once if arm == "tts-lora" else 0, epochs=1, report_to=(), lora=LoraConfig(),
    )  # fmt: skip


def measured(arm: str, base: str, config: TrainConfig, threads: int) -> dict[str, Any]:
    """An epoch of one arm, after a step that is not counted."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    run = ours if arm == "tts-lora" else plain
    return run(config, load(base, Path(config.data).parent), arm == "any batches")


class Meter:
    """Processor time and peak memory from `start` to `stop`."""

    def start(self) -> None:
        """From now on; what is free goes back to the system, and the peak is forgotten."""
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _memory("VmRSS")
        self._begin = time.process_time(), time.perf_counter()

    def stop(self, steps: int) -> dict[str, Any]:
        """What the steps took."""
        cpu, wall = time.process_time() - self._begin[0], time.perf_counter() - self._begin[1]
        return {
            "steps": steps,
            "cpu_seconds": round(cpu, 3),
            "wall_seconds": round(wall, 1),
            "megabytes": round(_memory("VmHWM") - self._before),
            "process_megabytes": round(_memory("VmHWM")),
        }


def _memory(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1000


def ours(config: TrainConfig, model: SpeechModel, _: bool) -> dict[str, Any]:
    """tts-lora's own steps."""
    from tts_lora.descent import descend
    from tts_lora.setting_up import set_up

    meter = Meter()
    with set_up(config, model) as run:
        steps = list(run.plan.steps(0, run.descent.steps))
        descend(run.descent, steps[0])
        meter.start()
        for step in steps:
            descend(run.descent, step)
        return meter.stop(len(steps))


def plain(config: TrainConfig, model: SpeechModel, shuffled: bool) -> dict[str, Any]:
    """The same with PEFT's model and Trainer's loop."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    from tts_lora.setting_up import set_up
    from voice_data.encoded import EncodedSet

    meter, data = Meter(), EncodedSet(config.data)
    with set_up(config, model) as run:
        steps = run.plan.steps(0, run.descent.steps)
        passes = [list(each) for step in steps for each in step.passes]
        conditions, targets = run.descent.conditions, run.descent.attached.layers
    if shuffled:
        places = [place for each in passes for place in each]
        random.Random(0).shuffle(places)
        passes = [places[i : i + config.clips] for i in range(0, len(places), config.clips)]
    adapted, collate = _adapted(config, model, list(targets))

    class Watch(TrainerCallback):
        def on_step_end(self, *arguments: Any, **_: Any) -> None:
            if arguments[1].global_step == 1:
                meter.start()

    def batch(items: list[list[int]]) -> Any:
        told = [conditions[data.clips[i].speaker] for i in items[0]]
        return collate([data[i] for i in items[0]], told)

    arguments = TrainingArguments(
        output_dir=f"{config.out}-plain", per_device_train_batch_size=1, max_steps=len(passes) + 1,
        learning_rate=config.learning_rate, weight_decay=config.weight_decay, save_strategy="no",
        logging_strategy="no", report_to=[], use_cpu=True, dataloader_pin_memory=False,
        remove_unused_columns=False, disable_tqdm=True, optim="adamw_torch", seed=0,
    )  # fmt: skip
    given: Any = [passes[0], *passes]
    trainer = _in_order(Trainer)(
        model=adapted, args=arguments, train_dataset=given, data_collator=batch, callbacks=[Watch()]
    )
    trainer.train()
    return meter.stop(len(passes))


def _in_order(trainer: Any) -> Any:
    """A Trainer that takes its dataset as it stands: the order was made before."""
    from torch.utils.data import SequentialSampler

    class InOrder(trainer):
        def _get_train_sampler(self, *arguments: Any) -> Any:
            return SequentialSampler(arguments[0] if arguments else self.train_dataset)

    return InOrder


def _adapted(config: TrainConfig, model: SpeechModel, targets: list[str]) -> Any:
    """What Trainer trains, and how it makes a batch."""
    import peft
    import torch
    from transformers import PreTrainedModel

    lora = peft.LoraConfig(
        r=config.lora.rank, lora_alpha=int(config.lora.alpha), lora_dropout=config.lora.dropout,
        target_modules=targets,
    )  # fmt: skip

    class Speaking(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = peft.get_peft_model(model.network, lora)  # pyright: ignore

        def forward(self, batch: Any) -> dict[str, Any]:
            return {"loss": model.loss(batch).total}

    if not isinstance(model.network, PreTrainedModel):
        return Speaking(), lambda clips, told: {"batch": model.collate(clips, told)}

    def collate(clips: Any, told: Any) -> dict[str, Any]:
        made: Any = model.collate(clips, told)
        return {"input_ids": made.ids, "attention_mask": made.mask, "labels": made.labels}

    return peft.get_peft_model(model.network, lora), collate  # pyright: ignore


def _lines(figures: dict[str, Any]) -> Iterator[str]:
    yield "| base | arm | steps | processor seconds | peak MB over the model | time to tts-lora's |"
    yield "|---|---|---|---|---|---|"
    for base, arms in figures.items():
        for arm, found in arms.items():
            cells = [found[name] for name in ("steps", "cpu_seconds", "megabytes", "times_slower")]
            yield "| " + " | ".join(str(cell) for cell in (base, arm, *cells)) + " |"


def _table(figures: dict[str, Any]) -> str:
    return "\n".join(_lines(figures))


if __name__ == "__main__":
    main()
