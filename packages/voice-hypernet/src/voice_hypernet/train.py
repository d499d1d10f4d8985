"""Learning to make adapters, end to end: the frozen base says clips in voices that it is given.

Every row of a batch is said with adapters of its own, and what the base's loss says flows back
through them into the hypernetwork. Or, with ``objective="reconstruction"``, what is made shall be
what was trained one by one. A run is a folder: ``train.json``, ``model/`` (the newest checkpoint,
averaged weights), ``state.safetensors`` (all of an exact resume), ``log.jsonl`` and TensorBoard
events.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from voice_data.run_log import RunLog
from voice_data.schedule import learning_rate
from voice_hypernet import reconstruction
from voice_hypernet.checkpoint import Hypernet, load_hypernet, save_hypernet, take_over
from voice_hypernet.config import TrainConfig
from voice_hypernet.corpus import VoiceCorpus
from voice_hypernet.functional import adapted, merged
from voice_hypernet.network import VoiceNetwork, neutral_of
from voice_hypernet.optimizer import optimizer
from voice_hypernet.reconstruction import Reconstruction
from voice_hypernet.run import RunState
from voice_hypernet.targets import find_groups
from voice_hypernet.tasks import Task, Tasks, describe_all, ways_of_knowing
from voice_hypernet.telling import ROWS, Telling

if TYPE_CHECKING:
    import numpy as np

    from voice_data.audio import Audio
    from voice_data.speech import Loss, SpeechModel

_log = logging.getLogger(__name__)

NEUTRAL_VOICES = 48
"""Voices whose conditions are averaged into the one that all voices start from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The end of a run: its folder, steps, and held-out losses by how the voice was known."""

    folder: Path
    steps: int
    held_out: dict[str, float] = field(default_factory=dict)


def train(
    config: TrainConfig,
    *,
    model: SpeechModel | None = None,
    encode: Callable[[Sequence[str]], np.ndarray] | None = None,
    progress: bool | None = None,
) -> Trained:
    """Run to the end, or go on where a killed run stopped.

    ``model`` saves loading ``config.base``; ``encode`` reads descriptions instead of the encoder
    that ``config.encoder`` names; ``progress`` shows a bar, by default on a terminal only.

    Raises:
        CorpusError, EncodedSetError: if the data cannot be used, or belong to another base.
        TargetError: if the base has no layer of a name in ``hypernet.lora.targets``.
        ReconstructionError: if the adapters of ``config.adapters`` cannot be learnt from.
        FloatingPointError: if a loss is not finite; the run's last checkpoint is untouched.
    """
    from tqdm import tqdm

    if config.threads:
        torch.set_num_threads(config.threads)
    run = _Run(config, model, encode)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    step = run.state.resume(out, asdict(config))
    held_out: dict[str, float] = {}
    hidden = None if progress is None else not progress
    log = RunLog(
        out, step, extra="voice-hypernet[train]", report_to=config.report_to,
        settings=asdict(config),
    )  # fmt: skip
    with log, tqdm(total=config.steps, initial=step, disable=hidden) as bar:
        while step < config.steps:
            figures = run.descend(step)
            step += 1
            bar.update()
            bar.set_postfix({"loss": f"{figures['total']:.3f}"})
            if step % config.log_every == 0:
                log.figures(step, "train", figures)
            last = step == config.steps
            if step % config.validate_every == 0 or last:
                held_out = run.validate()
                log.figures(step, "held-out", held_out)
            if step % config.save_every == 0 or last:
                save_hypernet(out / "model", run.hypernet())
                run.state.save(out, step)
                for name, audio in run.spoken():
                    log.sound(step, name, audio, config.sentence)
    return Trained(folder=out / "model", steps=step, held_out=held_out or run.validate())


def validate(
    config: TrainConfig,
    *,
    model: SpeechModel | None = None,
    encode: Callable[[Sequence[str]], np.ndarray] | None = None,
) -> dict[str, float]:
    """Held-out losses of ``config.start`` as they are, by how a voice is known.

    Raises:
        CorpusError, EncodedSetError: if the data cannot be used, or belong to another base.
    """
    return _Run(config, model, encode).validate()


class _Run:
    """All that takes part in a step."""

    def __init__(
        self,
        config: TrainConfig,
        model: SpeechModel | None,
        encode: Callable[[Sequence[str]], np.ndarray] | None,
    ) -> None:
        from voice_data.encoded import EncodedSet
        from voice_data.speech import load_speech_model

        self.config = config
        self.model = model if model is not None else load_speech_model(config.base)
        self.model.network.requires_grad_(False)
        data = EncodedSet(config.data)
        data.require_base(self.model.weights_sha256)
        self.corpus = VoiceCorpus(data, config.voices)
        away = self.corpus.held_out(config.held_out, config.seed)
        self.away = tuple(sorted(away))
        speakers = self.corpus.speakers
        targets = config.model.hypernet.lora.targets or next(iter(self.model.targets.values()))
        self.groups = find_groups(self.model.network, targets)
        self.wanted = self._wanted(list(speakers), away) if config.adapters else None
        if self.wanted is not None:
            speakers = {name: speakers[name] for name in self.wanted.voices}
        known = [each for name, each in speakers.items() if name not in away]
        unknown = [each for name, each in speakers.items() if name in away]
        phrases: dict[str, np.ndarray] = {}
        if config.shares.text + config.shares.both > 0:
            encode = encode or _encoder(config)
            said = (config.languages, config.seed, config.phrases)
            phrases = describe_all([*known, *unknown], encode, *said)
            _require_width(phrases, config)
        plan: dict[str, Any] = {"frames": config.batch, "seed": config.seed}
        drawn = {"shares": config.shares, "evenness": config.evenness}
        self.tasks = Tasks(self.corpus, known, phrases, **drawn, **plan)
        self.held_out = {
            name: Tasks(self.corpus, unknown, phrases, shares=shares, **plan)
            for name, shares in ways_of_knowing(bool(phrases)).items()
        } if unknown else {}  # fmt: skip
        torch.manual_seed(config.seed)
        self.network = VoiceNetwork(config.model, self.groups, self._neutral(known))
        if self.wanted is not None:
            self.wanted.start(self.network.hypernet)
        if config.start:
            take_over(self.network, config.start)
        self.telling = Telling.of(self.model, self.corpus, known) if config.told else None
        self.state = RunState(self.network, optimizer(self.network, config), config.average)

    def _wanted(self, voices: Sequence[str], away: set[str]) -> Reconstruction:
        lora, sha256 = self.config.model.hypernet.lora, self.model.weights_sha256
        folder, known = Path(self.config.adapters), set(voices) - away
        return Reconstruction.read(folder, voices, self.groups, lora, sha256, known)

    def _neutral(self, speakers: Sequence[Any]) -> dict[str, torch.Tensor]:
        """What every voice starts from: that of ``config.start``, if it is of this base."""
        if self.config.start:
            found = load_hypernet(self.config.start)
            if found.base_sha256 == self.model.weights_sha256:
                network = found.network
                return {name: network.get_buffer(f"neutral_{name}") for name in network.names}
        some = speakers[:: max(1, len(speakers) // NEUTRAL_VOICES)]
        data = self.corpus.data
        return neutral_of([self.model.condition([data[each.clips[0]]]) for each in some])

    def descend(self, step: int) -> dict[str, float]:
        """One step; returns the loss and its parts."""
        torch.manual_seed(hash((self.config.seed, step)) % 2**31)
        for group in self.state.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step)
        self.model.network.train()
        loss = self._loss(self.network, self.tasks, step)
        total, parts = float(loss.total.detach()), dict(loss.parts)
        self.state.optimizer.zero_grad(set_to_none=True)
        if math.isfinite(total):
            loss.total.backward()
            if self.telling is not None:
                parts["told"] = self._tell(self.telling, step)
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip))
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise FloatingPointError(
                f"the loss is {total} and its gradient's norm {norm} at step {step + 1}: lower "
                f"learning_rate ({self.config.learning_rate}) and run again to continue"
            )
        self.state.optimizer.step()
        self.state.average()
        return {"total": total, **parts, "gradient": norm}

    def _tell(self, telling: Telling, step: int) -> float:
        """Add the gradient of what many voices are told as; returns how far it is off."""
        task = self.tasks.crowd(step, ROWS)
        off = telling.loss(self.network.tell(*_given(task)), self._whose(task))
        (self.config.told * off).backward()
        return float(off.detach())

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses of the averaged network on voices that training does not hear."""
        self.model.network.eval()
        network = self.state.averaged.eval()
        found = {}
        for name, tasks in self.held_out.items():
            steps = range(self.config.validation_steps)
            losses = [float(self._loss(network, tasks, step).total) for step in steps]
            found[name] = sum(losses) / len(losses)
        return found

    @torch.no_grad()
    def spoken(self) -> Iterator[tuple[str, Audio]]:
        """The config's sentence in a voice that training does not hear, by how it is known."""
        if not self.config.sentence:
            return
        self.model.network.eval()
        network, scale = self.state.averaged.eval(), self.config.model.hypernet.lora.scale
        for name, tasks in self.held_out.items():
            made = network(*_given(tasks(0).first()))
            with merged(self.model.network, self.groups, made.adapters, scale):
                yield name, self.model.speak(self.config.sentence, voice=made.condition(0), seed=0)

    def _loss(self, network: VoiceNetwork, tasks: Tasks, step: int) -> Loss:
        if self.wanted is not None:
            task = tasks.crowd(step, reconstruction.ROWS)
            return self.wanted.loss(network(*_given(task)).adapters, self._whose(task))
        task = tasks(step)
        made = network(*_given(task))
        encoded = [self.corpus.data[i] for i in task.clips]
        batch = self.model.collate(encoded, [made.condition(i) for i in range(len(encoded))])
        scale = self.config.model.hypernet.lora.scale
        with adapted(self.model.network, self.groups, made.adapters, scale):
            return self.model.loss(batch)

    def _whose(self, task: Task) -> list[str]:
        clips = self.corpus.data.clips
        return [clips[place].speaker for place in task.clips]

    def hypernet(self) -> Hypernet:
        """What is saved: the averaged weights and all that belongs to them."""
        index = self.corpus.data.index
        return Hypernet(
            network=self.state.averaged,
            base=self.config.base,
            base_sha256=self.model.weights_sha256,
            sample_rate=self.model.sample_rate,
            data_sha256=index.manifest_sha256,
            licence=index.licence,
            consent=index.consent,
            encoder=self.config.encoder,
            held_out=self.away,
        )


def _given(
    task: Task,
) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor | None, torch.Tensor]:
    """What the network takes: text and clips, and where there is which."""
    heard, has_clip = torch.from_numpy(task.heard), torch.from_numpy(task.has_clip)
    if not task.text.shape[1]:
        return None, heard, None, has_clip
    return torch.from_numpy(task.text), heard, torch.from_numpy(task.has_text), has_clip


def _require_width(phrases: dict[str, np.ndarray], config: TrainConfig) -> None:
    width = next(iter(phrases.values())).shape[1]
    if width != config.model.text:
        raise ValueError(
            f"the encoder {config.encoder or 'that ships'} describes a voice in {width} numbers "
            f"and model.text is {config.model.text}: set model.text={width}"
        )


def _encoder(config: TrainConfig) -> Callable[[Sequence[str]], np.ndarray]:
    from voice_hypernet.descriptions import load_encoder

    return load_encoder(config.encoder).encode
