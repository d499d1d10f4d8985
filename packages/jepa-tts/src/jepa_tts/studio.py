"""A model and its vocoder in torch: whatever the narrator does not do, and what has been adapted.

Letters: S samples, T latent frames, Z latent dimensions, D width.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import torch

from jepa_tts import cast, engine, languages
from jepa_tts.languages import read_language, script_of, scripts_in, speaking
from jepa_tts.pack import load_package
from jepa_tts.prompt import as_clip, attend, check_prompt, encode, hear, shortened
from jepa_tts.text import collate_text
from jepa_tts.voice import Timbre, coloured
from jepa_tts.weights import check_change
from voice_data.audio import Audio
from voice_data.text import TextError, normalize

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from jepa_tts.model import JepaModel
    from jepa_tts.vocoder import Vocoder
    from jepa_tts.weights import Change


_log = logging.getLogger(__name__)
Clip = Audio | str | PathLike[str]


class Studio:
    """Both networks, on one device."""

    def __init__(self, model: JepaModel, vocoder: Vocoder) -> None:
        self.model, self.vocoder = model, vocoder
        self._languages: Mapping[str, Path] = {}
        self._sha256 = ""
        self._others: dict[str, JepaModel] = {}

    @classmethod
    def open(cls, folder: Path, vocoder: Path | None = None) -> Studio:
        """The networks in a folder, verified; see :func:`jepa_tts.pack.load_package`."""
        package = load_package(folder, vocoder)
        studio = cls(package.model, package.vocoder)
        studio.learn(folder, package.weights_sha256)
        return studio

    def learn(self, folder: Path, weights_sha256: str) -> None:
        """Know the languages in a checkpoint's folder.

        Raises:
            ArtefactError: if one of them is not a language.
        """
        self._languages, self._sha256 = scripts_in(folder), weights_sha256

    def fluent(self, text: str) -> JepaModel:
        """The model that reads this text: its own, or a copy in the language of its script.

        Raises:
            ArtefactError: if that language is damaged, or for another checkpoint.
            ValueError: if layers of the model have been wrapped.
        """
        script = script_of(text)
        if script not in self._languages:
            return self.model
        if any(module._forward_hooks for module in self.model.modules()):
            _log.warning("adapters are not heard in %s: merge them first", script.title())
        if script not in self._others:
            language = read_language(self._languages[script], self._sha256)
            self._others[script] = speaking(self.model, language)
        return self._others[script].to(self.device)

    def pass_on(self, voices: Mapping[str, Path], folder: Path, weights_sha256: str) -> None:
        """Put voice files and the languages beside a checkpoint saved in ``folder``.

        Raises:
            VoiceError, ArtefactError: if one of them is damaged, or for another checkpoint.
            OSError: if one cannot be written.
        """
        cast.carry(voices, folder, weights_sha256)
        languages.carry(self._languages.values(), folder, before=self._sha256, after=weights_sha256)

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self.model.predictor.start.device

    def to(self, device: str | torch.device) -> None:
        """Move both networks; copies in other languages follow when they speak."""
        self.model.to(device)
        self.vocoder.to(device)

    @torch.no_grad()
    def add(self, changes: Iterable[Change]) -> None:
        """Add something to the weights of some layers.

        Raises:
            ValueError: naming a layer that the model lacks, or the shape; nothing is changed.
        """
        changes, weights = list(changes), dict(self.model.named_parameters())
        for layer, change in changes:
            weight = weights.get(f"{layer}.weight")
            check_change(layer, change.shape, None if weight is None else weight.shape)
        for layer, change in changes:
            weight = weights[f"{layer}.weight"]
            weight.add_(torch.from_numpy(change).to(weight))
        self._others.clear()

    def spoken(
        self,
        sentences: Sequence[str],
        voice: np.ndarray,
        speed: float,
        seed: int,
        *,
        colour: np.ndarray | None = None,
    ) -> Iterator[Audio]:
        """Each sentence in the ``voice`` [D] with the ``colour`` [2, Z + 1, Z]."""
        vector = torch.from_numpy(voice)[None].to(self.device)
        generator = torch.Generator().manual_seed(seed)
        for sentence in sentences:
            with torch.inference_mode():
                model = self.fluent(sentence)
                plan = model.plan(self._ids(sentence), vector, speed)
                latents = engine.generate(model, plan)
                made = coloured(latents[0].cpu().numpy(), colour)
                latents = torch.from_numpy(made)[None].to(self.device)
            yield self._sound(latents, generator)

    @torch.inference_mode()
    def planned(self, sentence: str, voice: np.ndarray) -> int:
        """Latent frames that one sentence is planned to last in the ``voice`` [D]."""
        vector = torch.from_numpy(voice)[None].to(self.device)
        return int(self.fluent(sentence).plan(self._ids(sentence), vector).lengths[0])

    def hear(self, clip: Clip) -> np.ndarray:
        """The vector [D] of the voice in a clip."""
        return hear(self.model, as_clip(clip))[0].cpu().numpy()

    def imitate(self, clip: Clip) -> Timbre:
        """How the voice in a clip sounds."""
        from jepa_tts.colour import colour

        clip = as_clip(clip)
        check_prompt(clip)
        latents = encode(self.model, shortened(clip))
        vector = attend(self.model, latents, clip.duration)
        return Timbre(vector[0].cpu().numpy(), colour(self.model, vector, latents))

    def reconstruct(self, audio: Clip, seed: int) -> Audio:
        """The clip, encoded and decoded again."""
        clip = as_clip(audio)
        latents = encode(self.model, clip)
        return self._cut(self._sound(latents, torch.Generator().manual_seed(seed)), clip)

    @torch.inference_mode()
    def predict(
        self, text: str, audio: Clip, voice: np.ndarray | None, seed: int, language: str
    ) -> Audio:
        """The clip as the predictor expects it, every frame from the true ones before it; in the
        ``voice`` [D], or in the clip's own.

        Raises:
            TextError: if there is nothing to speak.
        """
        clip, words = as_clip(audio), normalize(text, language)
        vector = torch.from_numpy(self.hear(clip) if voice is None else voice)[None]
        history = encode(self.model, clip)
        model = self.fluent(words)
        plan = model.plan(self._ids(words), vector.to(self.device))
        frames = history.shape[1]
        total = plan.durations.sum(1, keepdim=True)
        if not bool(total > 0):
            raise TextError(f"the model gives {words!r} no duration: check text and language")
        lengths = torch.tensor([frames], device=self.device)
        plan = plan._replace(durations=plan.durations * (frames / total), lengths=lengths)
        latents = model.predict(plan, history).latents
        return self._cut(self._sound(latents, torch.Generator().manual_seed(seed)), clip)

    def _ids(self, text: str) -> Tensor:
        return collate_text([text]).to(self.device)

    @torch.inference_mode()
    def _sound(self, latents: Tensor, generator: torch.Generator) -> Audio:
        mel = self.model.mel_decoder(latents)
        samples = self.vocoder(mel, generator=generator).samples[0]
        rate = self.model.config.mel.sample_rate
        return Audio(samples.clamp(-1.0, 1.0).cpu().numpy(), rate)

    def _cut(self, made: Audio, clip: Audio) -> Audio:
        length = round(len(clip.samples) * made.rate / clip.rate)
        return Audio(np.ascontiguousarray(made.samples[:length]), made.rate)
