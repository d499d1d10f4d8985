"""What adapters cost while jepa-tts speaks: many in one batch against one, and loading them.

    python tools/bench_adapters.py --json

Every arm computes the same batch. The arms take turns, so that a busy machine slows all alike; the
ratios are of the processor's seconds, their medians.
"""

from __future__ import annotations

import ctypes
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import torch
from protocol import hardware

from tts_lora.card import VoiceCard
from tts_lora.folder import PREFIX, Adapter, write_adapter
from tts_lora.mixing import Mixer
from tts_lora.settings import AdapterSettings
from tts_lora.targets import adaptable, lora_shapes, resolve
from voice_data.speech import load_speech_model

if TYPE_CHECKING:
    from voice_data.speech import SpeechModel

TEXT = b"The birch canoe slid on the smooth planks, and nobody on the bank said a word."


@click.command()
@click.option("--adapters", default=32, help="Different adapters, one per row of the batch.")
@click.option("--rank", default=8)
@click.option("--frames", default=100, help="Latent frames per row.")
@click.option("--repeats", default=5)
@click.option("--threads", default=1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(adapters: int, rank: int, frames: int, repeats: int, threads: int, as_json: bool) -> None:
    """Measure the shipped jepa-tts with adapters of random weights on its default targets."""
    torch.set_num_threads(threads)
    model, plain = load_speech_model("jepa-tts"), load_speech_model("jepa-tts")
    for each in (model, plain):
        each.network.eval().requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        folders = [
            _written(model, Path(folder, f"v{seed}"), rank, seed) for seed in range(adapters)
        ]
        loading = _loading(model, folders, repeats)
        figures = _compared(model, plain, folders, frames, repeats)
        size = (folders[0] / "adapter_model.safetensors").stat().st_size
    figures = {
        **figures,
        **loading,
        "adapter_kib": round(size / 1024, 1),
        "layers": len(resolve(model.network, "", model.targets)),
        "settings": {"adapters": adapters, "rank": rank, "frames": frames, "repeats": repeats},
        "threads": threads,
        "torch": torch.__version__,
        "hardware": hardware(),
    }
    click.echo(json.dumps(figures, indent=1) if as_json else _table(figures))


def _written(model: SpeechModel, folder: Path, rank: int, seed: int) -> Path:
    """An adapter of random weights on the default targets."""
    names, there = resolve(model.network, "", model.targets), adaptable(model.network)
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        f"{PREFIX}{name}.{part}": torch.randn(shape, generator=generator) * 0.02
        for name in names
        for part, shape in lora_shapes(there[name], rank, dora=False).items()
    }
    adapter = Adapter(
        settings=AdapterSettings(rank=rank, alpha=2.0 * rank, targets=names),
        tensors=tensors,
        card=VoiceCard.of(model, base="jepa-tts", licence="CC0-1.0"),
    )
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 2.0 * rank}
    write_adapter(folder, adapter, {**config, "target_modules": list(names)})
    return folder


def _loading(model: SpeechModel, folders: list[Path], repeats: int) -> dict[str, float]:
    """Milliseconds to read, verify and install an adapter, and to forget it."""
    mixer, loads, unloads, held = Mixer(model), [], [], []
    for folder in folders[:1] + folders[: 4 * repeats]:
        start = time.process_time(), time.perf_counter()
        mixer.load(folder, "hot")
        loads.append((time.process_time() - start[0], time.perf_counter() - start[1]))
        start = time.process_time(), time.perf_counter()
        mixer.unload("hot")
        unloads.append(time.perf_counter() - start[1])
        held.append(_resident_megabytes())
    return {
        "hot_load_cpu_ms": round(1e3 * statistics.median(cpu for cpu, _ in loads[1:]), 2),
        "hot_load_wall_ms": round(1e3 * statistics.median(wall for _, wall in loads[1:]), 2),
        "unload_wall_ms": round(1e3 * statistics.median(unloads), 2),
        "loads": len(loads) - 1,
        "left_behind_mb": round(held[-1] - held[0], 2),
    }


def _resident_megabytes() -> float:
    """What the process holds, without what it has freed."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1000


def _compared(
    model: SpeechModel, plain: SpeechModel, folders: list[Path], frames: int, repeats: int
) -> dict[str, Any]:
    """Seconds of every arm for a teacher-forced batch and for the same frames one by one."""
    from tts_lora.adapter import load

    mixer = Mixer(model)
    for index, folder in enumerate(folders):
        mixer.load(folder, f"v{index}")
    load(plain, folders[0])  # PEFT's own layers
    names = [f"v{index}" for index in range(len(folders))]
    choices = {"base": [None] * len(names), "one": [names[0]] * len(names), "many": names}
    figures: dict[str, Any] = {}
    for task, work in (("forced", _forced), ("free", _free)):
        seconds = _timed(
            {
                **{arm: _arm(work, model, rows, mixer, frames) for arm, rows in choices.items()},
                "peft_one": _arm(work, plain, choices["base"], None, frames),
            },
            repeats,
        )
        for arm, times in seconds.items():
            figures[f"{task}_{arm}_s"] = round(statistics.median(times), 4)
        for arm in ("base", "one", "peft_one"):
            pairs = zip(seconds["many"], seconds[arm], strict=True)
            ratio = statistics.median(many / other for many, other in pairs)
            figures[f"{task}_many_over_{arm}"] = round(ratio, 3)
    return {**figures, **_spoken(model, mixer, choices)}


def _spoken(model: Any, mixer: Mixer, choices: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of speech per processor second of whole batches, text to sound."""
    figures = {}
    for arm, rows in choices.items():
        start = time.process_time()
        with mixer.rows(rows):
            said = model.speak_batch([TEXT.decode()] * len(rows), seed=0)
        seconds = time.process_time() - start
        figures[f"speech_{arm}_factor"] = round(sum(each.duration for each in said) / seconds, 2)
    return figures


def _arm(
    work: Callable[[Any, int, int], None],
    model: SpeechModel,
    rows: list[str | None],
    mixer: Mixer | None,
    frames: int,
) -> Callable[[], None]:
    def run() -> None:
        with mixer.rows(rows) if mixer else nullcontext():
            work(model.network, len(rows), frames)

    return run


def _timed(arms: Mapping[str, Callable[[], None]], repeats: int) -> dict[str, list[float]]:
    """Processor seconds of every arm, ``repeats`` times in turn after a warm-up."""
    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    for turn in range(repeats + 1):
        for arm, run in arms.items():
            start = time.process_time()
            run()
            if turn:
                seconds[arm].append(time.process_time() - start)
    return seconds


@torch.inference_mode()
def _forced(network: Any, rows: int, frames: int) -> None:
    """Text encoder, durations and predictor over a whole batch at once."""
    plan, history = _plan(network, rows), torch.zeros(rows, frames, network.config.latent)
    network.predict(plan, history)


@torch.inference_mode()
def _free(network: Any, rows: int, frames: int) -> None:
    """The predictor frame by frame, as it speaks."""
    plan = _plan(network, rows)
    times, past = plan.clock(frames), network.predictor.start.expand(rows, 1, -1)
    state = network.predictor.begin(plan.text, plan.mask, frames)
    for frame in range(frames):
        clock = times.rows(frame, frame + 1)
        past = network.predictor.step(past, plan.text, plan.voice, clock, state).latents


def _plan(network: Any, rows: int) -> Any:
    ids = torch.tensor(list(TEXT)).expand(rows, -1) + 1
    return network.plan(ids, torch.zeros(rows, network.config.width))


def _table(figures: Mapping[str, Any]) -> str:
    return "\n".join(f"{name:28} {value}" for name, value in figures.items())


if __name__ == "__main__":
    main()
