"""The voice of the package: text in, speech out, one sentence at a time.

Letters: S samples, M mel bands, F mel frames, T latent frames, Z latent dimensions, D width.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from jepa_tts import engine
from jepa_tts.catalogue import located
from jepa_tts.checkpoint import hash_weights
from jepa_tts.pack import load_package, save_package
from jepa_tts.prompt import Voice, VoiceError, as_clip, encode, hear
from jepa_tts.script import sentences
from jepa_tts.text import collate_text
from voice_data.audio import Audio
from voice_data.text import TextError, normalize

if TYPE_CHECKING:
    from torch import Tensor

    from jepa_tts.config import JepaConfig
    from jepa_tts.model import JepaModel
    from jepa_tts.vocoder import Vocoder
    from voice_data.artefact import Provenance


class JepaTTS:
    """A model, its vocoder and its voices, ready to speak on the CPU.

    >>> tts = JepaTTS.from_pretrained()                             # doctest: +SKIP
    >>> tts.speak("Good morning.", voice=tts.voices[0]).duration    # doctest: +SKIP
    1.12
    """

    def __init__(
        self,
        model: JepaModel,
        vocoder: Vocoder,
        *,
        weights_sha256: str = "",
        provenance: Provenance | None = None,
    ) -> None:
        self.model, self.vocoder = model, vocoder
        self.provenance = provenance
        self._weights_sha256 = weights_sha256

    @classmethod
    def from_pretrained(
        cls, folder: str | os.PathLike[str] | None = None, *, vocoder: Path | str | None = None
    ) -> JepaTTS:
        """The shipped checkpoint, a folder, or a hub id such as ``owner/name``.

        ``vocoder`` names another vocoder: a shipped folder, a training folder or a Vocos directory.

        Raises:
            ArtefactError: for a missing, damaged, cut or changed file, or an unknown key, by name.
            ValueError: if the vocoder does not read the model's mels.
            ImportError: for a hub id without huggingface_hub.
        """
        package = load_package(located(folder), Path(vocoder) if vocoder else None)
        return cls(
            package.model,
            package.vocoder,
            weights_sha256=package.weights_sha256,
            provenance=package.provenance,
        )

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        *,
        provenance: Provenance | None = None,
        card: str = "",
    ) -> str:
        """Write a folder that :meth:`from_pretrained` reads, in half precision; returns its hash.

        Raises:
            ValueError: if there is no provenance, here or from loading.
            OSError: if the folder cannot be written.
        """
        provenance = provenance or self.provenance
        if provenance is None:
            raise ValueError("save_pretrained needs a provenance: at least rate, mel and licence")
        return save_package(
            self.model, self.vocoder, Path(folder), card=card or _CARD, provenance=provenance
        )

    @property
    def config(self) -> JepaConfig:
        """The sizes of the model."""
        return self.model.config

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self.model.predictor.start.device

    def to(self, device: str | torch.device) -> JepaTTS:
        """Move model and vocoder; returns the same object."""
        self.model.to(device)
        self.vocoder.to(device)
        return self

    @property
    def sample_rate(self) -> int:
        """Hz of everything that is spoken."""
        return self.config.mel.sample_rate

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices that the model knows."""
        return self.config.speakers

    @property
    def weights_sha256(self) -> str:
        """The hash that binds exported voices to this model."""
        if not self._weights_sha256:
            self._weights_sha256 = hash_weights(self.model)
        return self._weights_sha256

    def speak(
        self,
        text: str,
        *,
        voice: str | Voice | None = None,
        prompt: Audio | str | os.PathLike[str] | None = None,
        speed: float = 1.0,
        seed: int = 0,
        language: str = "en",
    ) -> Audio:
        """The whole text as one sound; the arguments are those of :meth:`stream`."""
        options = {"voice": voice, "prompt": prompt, "speed": speed, "seed": seed}
        parts = [a.samples for a in self.stream(text, language=language, **options)]
        return Audio(np.concatenate(parts), self.sample_rate)

    def stream(
        self,
        text: str,
        *,
        voice: str | Voice | None = None,
        prompt: Audio | str | os.PathLike[str] | None = None,
        speed: float = 1.0,
        seed: int = 0,
        language: str = "en",
    ) -> Iterator[Audio]:
        """Speech sentence by sentence, each as soon as it is made.

        ``voice`` is a name of :attr:`voices`, a :class:`Voice`, or the path of a voice file;
        ``prompt`` is a clip whose voice is taken instead; with neither, the first named voice
        speaks. ``speed`` 2 is twice as fast. Equal arguments give equal samples. Arguments are
        checked at once.

        Raises:
            TextError: if there is nothing to speak.
            VoiceError: if the voice is unknown or of another model.
            AudioError: if the prompt is too short, silent or damaged.
            ValueError: if the speed is not in [0.25, 4].
        """
        if not 0.25 <= speed <= 4.0:
            raise ValueError(f"speed must be between 0.25 and 4, not {speed}: 1 is the voice's own")
        pieces = sentences(text, language)
        vector = self.voice_vector(voice, prompt)
        return self._spoken(pieces, vector, speed, seed)

    def reconstruct(self, audio: Audio | str | os.PathLike[str], *, seed: int = 0) -> Audio:
        """The clip, encoded and decoded again: what the latents keep of it.

        Raises:
            AudioError: if it holds no samples or more than five minutes.
        """
        clip = as_clip(audio)
        latents = encode(self.model, clip)
        return self._cut(self._sound(latents, torch.Generator().manual_seed(seed)), clip)

    def predict(
        self,
        text: str,
        audio: Audio | str | os.PathLike[str],
        *,
        voice: str | Voice | None = None,
        seed: int = 0,
        language: str = "en",
    ) -> Audio:
        """The clip as the predictor expects it: every frame from the true ones before it.

        ``text`` is what the clip says. The plan's durations are stretched to the clip's length; the
        voice is heard from the clip itself unless one is named.

        Raises:
            TextError, VoiceError, AudioError: as :meth:`stream` and :meth:`reconstruct`.
        """
        clip = as_clip(audio)
        words = normalize(text, language)
        vector = self.voice_vector(voice, clip if voice is None else None)
        with torch.inference_mode():
            history = encode(self.model, clip)
            plan = self.model.plan(self._ids(words), vector)
            frames = history.shape[1]
            total = plan.durations.sum(1, keepdim=True)
            if not bool(total > 0):
                raise TextError(f"the model gives {words!r} no duration: check text and language")
            lengths = torch.tensor([frames], device=self.device)
            plan = plan._replace(durations=plan.durations * (frames / total), lengths=lengths)
            latents = self.model.predict(plan, history).latents
        return self._cut(self._sound(latents, torch.Generator().manual_seed(seed)), clip)

    def export_voice(
        self,
        prompt: Audio | str | os.PathLike[str],
        *,
        name: str,
        licence: str = "",
        consent: str = "",
    ) -> Voice:
        """The voice of a clip, ready to be saved; it belongs to this model's weights.

        Raises:
            AudioError: if the prompt is too short, silent or damaged.
        """
        vector = self.voice_vector(None, prompt)[0].cpu().numpy()
        return Voice(
            name=name,
            vector=vector,
            base_sha256=self.weights_sha256,
            licence=licence,
            consent=consent,
        )

    def voice_vector(
        self, voice: str | Voice | None, prompt: Audio | str | os.PathLike[str] | None = None
    ) -> Tensor:
        """The vector [1, D] of a voice by name, file, object or clip.

        Raises:
            VoiceError: if the voice is unknown or of another model, or both are given.
            AudioError: if the prompt is too short, silent or damaged.
        """
        if prompt is not None:
            if voice is not None:
                raise VoiceError("voice and prompt exclude each other: give one of them")
            return hear(self.model, as_clip(prompt))
        if isinstance(voice, str) and voice.endswith(".safetensors"):
            voice = Voice.load(voice)
        if isinstance(voice, Voice):
            voice.require(self.weights_sha256, self.config.width)
            return torch.from_numpy(voice.vector)[None].to(self.device)
        if not self.voices:
            raise VoiceError("this model has no named voices: give a prompt or a voice file")
        if voice is not None and voice not in self.voices:
            valid = ", ".join(self.voices)
            raise VoiceError(f"unknown voice {voice!r}; this model knows: {valid}")
        return self.model.voices.named(voice or self.voices[0]).detach()

    @torch.inference_mode()
    def planned_duration(
        self, text: str, *, voice: str | Voice | None = None, language: str = "en"
    ) -> float:
        """Seconds that the text is planned to last, before a frame is predicted.

        Raises:
            TextError, VoiceError: as :meth:`stream`.
        """
        vector = self.voice_vector(voice)
        plans = (self.model.plan(self._ids(s), vector) for s in sentences(text, language))
        return sum(int(plan.lengths[0]) for plan in plans) / self.config.latent_rate

    def _spoken(
        self, pieces: list[str], vector: Tensor, speed: float, seed: int
    ) -> Iterator[Audio]:
        generator = torch.Generator().manual_seed(seed)
        for piece in pieces:
            with torch.inference_mode():
                plan = self.model.plan(self._ids(piece), vector, speed)
                latents = engine.generate(self.model, plan)
            yield self._sound(latents, generator)

    def _ids(self, text: str) -> Tensor:
        return collate_text([text]).to(self.device)

    @torch.inference_mode()
    def _sound(self, latents: Tensor, generator: torch.Generator) -> Audio:
        mel = self.model.mel_decoder(latents)
        samples = self.vocoder(mel, generator=generator).samples[0]
        return Audio(samples.clamp(-1.0, 1.0).cpu().numpy(), self.sample_rate)

    def _cut(self, made: Audio, clip: Audio) -> Audio:
        length = round(len(clip.samples) * self.sample_rate / clip.rate)
        return Audio(np.ascontiguousarray(made.samples[:length]), self.sample_rate)


_CARD = "# A voice of jepa-tts\n\nSee config.json for data, licence and settings.\n"
