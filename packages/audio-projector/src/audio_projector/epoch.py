"""What a cache is worth: a pass over some texts with it, and with the language model instead."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel
    from audio_projector.run import Run
    from audio_projector.train_config import TrainConfig
    from voice_data.speech import StatesModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """Seconds for ``texts``: of the language model, of reading their states, of the steps.

    ``states_ratio`` compares the first two; ``training_ratio`` both with the steps added, which are
    the same either way.
    """

    texts: int
    llm: float
    read: float
    steps: float

    @property
    def states_ratio(self) -> float:
        """How many times faster the states are there."""
        return self.llm / max(1e-9, self.read)

    @property
    def training_ratio(self) -> float:
        """How many times faster an epoch of training is."""
        return (self.llm + self.steps) / max(1e-9, self.read + self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ratios = {"states_ratio": self.states_ratio, "training_ratio": self.training_ratio}
        return {**asdict(self), **ratios}


def epoch(
    config: TrainConfig, llm: LanguageModel, *, texts: int = 128, model: StatesModel | None = None
) -> Epoch:
    """Time a pass over the first ``texts`` to train on; nothing is written.

    Raises:
        CacheError: if the cache is not of this language model.
        TrainError, SpeechModelError: if there is nothing to train on, or no target.
    """
    import torch

    from audio_projector.run import set_up

    with torch.random.fork_rng(devices=[]):
        run = set_up(config, model)
        return _timed(run, run.training[:texts], llm)


def _timed(run: Run, chosen: list[int], llm: LanguageModel) -> Epoch:
    from audio_projector.caching import captured

    cache = run.examples.cache
    cache.require(llm)
    for position in chosen:  # opens and checks the files, once in a run
        cache[position]
    begun = time.perf_counter()
    for position in chosen:
        cache[position]
    read = time.perf_counter() - begun
    begun = time.perf_counter()
    captured([cache.lines[position].text for position in chosen], llm, cache.index.config)
    spent = time.perf_counter() - begun
    steps = max(0.0, _steps(run, chosen) - read)
    return Epoch(texts=len(chosen), llm=spent, read=read, steps=steps)


def _steps(run: Run, chosen: list[int]) -> float:
    """Seconds of the steps over some texts, reading included."""
    from audio_projector.examples import batches
    from audio_projector.train import step

    sizes = [run.examples.size(i) for i in range(len(run.examples.cache))]
    plan = batches(sizes, chosen, run.config.batch, run.config.seed, 0)
    texts_only = replace(run, config=replace(run.config, clips="", clip_steps=0), clips=None)
    step(texts_only, 0, plan[0])  # warm
    begun = time.perf_counter()
    for number, batch in enumerate(plan):
        step(texts_only, number, batch)
    return time.perf_counter() - begun
