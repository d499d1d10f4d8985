"""The voice of the package: text in, speech out; torch is loaded only for what needs it.

Letters: S samples, D width.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jepa_tts.cast import files_in
from jepa_tts.catalogue import located
from jepa_tts.narrator import Narrator, can_speak
from jepa_tts.performers import Performers
from jepa_tts.script import sentences
from jepa_tts.voice import Timbre, Voice, VoiceError, chosen
from jepa_tts.weights import DEFAULT_CARD, is_packed, read_weights
from voice_data.audio import Audio

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from jepa_tts.config import JepaConfig
    from jepa_tts.model import JepaModel
    from jepa_tts.pack import Package
    from jepa_tts.studio import Clip
    from jepa_tts.vocoder import Vocoder
    from jepa_tts.weights import Change, Weights
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
        from jepa_tts.studio import Studio

        self._performers = Performers(Studio(model, vocoder))
        self.config = model.config
        self.provenance = provenance
        self._weights_sha256 = weights_sha256
        self._files: dict[str, Path] = {}

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
        folders = located(folder), Path(vocoder) if vocoder else None
        if is_packed(*folders):
            weights = read_weights(*folders)
            if can_speak(weights):
                performers = Performers(narrator=Narrator(weights), folders=folders)
                return cls._of(performers, weights.model, weights, folders[0])
        from jepa_tts.pack import load_package
        from jepa_tts.studio import Studio

        package = load_package(*folders)
        studio = Studio(package.model, package.vocoder)
        studio.learn(folders[0], package.weights_sha256)
        return cls._of(Performers(studio), package.model.config, package, folders[0])

    @classmethod
    def _of(
        cls, performers: Performers, config: JepaConfig, facts: Weights | Package, folder: Path
    ) -> JepaTTS:
        tts = cls.__new__(cls)
        tts._performers, tts.config, tts.provenance = performers, config, facts.provenance
        tts._weights_sha256, tts._files = facts.weights_sha256, files_in(folder, config.speakers)
        return tts

    @property
    def narrator(self) -> Narrator | None:
        """What speaks without torch, while the networks have not been touched."""
        return self._performers.narrator

    @property
    def model(self) -> JepaModel:
        """The network, in torch; from now on it is what speaks, for it may be changed."""
        return self._performers.retire_narrator().model

    @property
    def vocoder(self) -> Vocoder:
        """The vocoder, in torch; from now on it is what speaks, for it may be changed."""
        return self._performers.retire_narrator().vocoder

    def add(self, changes: Iterable[Change]) -> None:
        """Add to the weights [O, I] of linear layers by name, for good, as merging an adapter does.

        Raises:
            ValueError: naming a layer that the model lacks, or the shape; nothing is changed.
        """
        self._performers.add(changes)

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        *,
        provenance: Provenance | None = None,
        card: str = DEFAULT_CARD,
        voice: Voice | None = None,
    ) -> str:
        """Write a folder that :meth:`from_pretrained` reads, in half precision; returns its hash.

        Voice files and languages go along. ``voice`` becomes the first, which speaks by default.

        Raises:
            ValueError: if there is no provenance, here or from loading.
            VoiceError: if the voice is of another model.
            OSError: if the folder cannot be written.
        """
        from jepa_tts.pack import save_package

        studio, provenance = self._performers.studio, provenance or self.provenance
        if provenance is None:
            raise ValueError("save_pretrained needs a provenance: at least rate, mel and licence")
        model, out = studio.model, Path(folder)
        if voice is not None:
            voice.require(self.weights_sha256, self.config.width)
            model = model.led_by(voice.name, voice.vector)
        digest = save_package(model, studio.vocoder, out, card=card, provenance=provenance)
        studio.pass_on(self._files, out, digest)
        return digest

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self._performers.device

    def to(self, device: str | torch.device) -> JepaTTS:
        """Move model and vocoder; returns the same object."""
        if str(device) != str(self.device):
            self._performers.retire_narrator().to(device)
        return self

    @property
    def sample_rate(self) -> int:
        """Hz of everything that is spoken."""
        return self.config.mel.sample_rate

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices that the model knows."""
        return (*self.config.speakers, *self._files)

    @property
    def weights_sha256(self) -> str:
        """The hash that binds exported voices to this model."""
        if not self._weights_sha256:
            from jepa_tts.checkpoint import hash_weights

            self._weights_sha256 = hash_weights(self._performers.studio.model)
        return self._weights_sha256

    def speak(
        self,
        text: str,
        *,
        voice: str | Voice | None = None,
        prompt: Clip | None = None,
        speed: float = 1.0,
        seed: int = 0,
        language: str = "en",
    ) -> Audio:
        """The whole text as one sound; the arguments are those of :meth:`stream`."""
        options = {"voice": voice, "prompt": prompt, "speed": speed, "seed": seed}
        parts = self.stream(text, language=language, **options)
        return Audio(np.concatenate([part.samples for part in parts]), self.sample_rate)

    def stream(
        self,
        text: str,
        *,
        voice: str | Voice | None = None,
        prompt: Clip | None = None,
        speed: float = 1.0,
        seed: int = 0,
        language: str = "en",
        pieces: bool = False,
    ) -> Iterator[Audio]:
        """Speech sentence by sentence, each as soon as it is made; with ``pieces`` in parts of a
        sentence, the first after half a second of it, wherever :attr:`model` has not been touched.

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
        script = sentences(text, language)
        vector, colour = self._timbre(voice, prompt)
        if self.narrator is None:
            return self._performers.studio.spoken(script, vector, speed, seed, colour=colour)
        return self.narrator.spoken(script, vector, speed, seed, pieces=pieces, colour=colour)

    def reconstruct(self, audio: Clip, *, seed: int = 0) -> Audio:
        """The clip, encoded and decoded again: what the latents keep of it.

        Raises:
            AudioError: if it holds no samples or more than five minutes.
        """
        return self._performers.studio.reconstruct(audio, seed)

    def predict(
        self,
        text: str,
        audio: Clip,
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
        vector = None if voice is None else self._timbre(voice).vector
        return self._performers.studio.predict(text, audio, vector, seed, language)

    def export_voice(
        self, prompt: Clip, *, name: str, licence: str = "", consent: str = ""
    ) -> Voice:
        """The voice of a clip, ready to be saved; it belongs to this model's weights.

        Raises:
            AudioError: if the prompt is too short, silent or damaged.
        """
        terms = {"name": name, "licence": licence, "consent": consent}
        vector, colour = self._timbre(None, prompt)
        return Voice(vector=vector, colour=colour, base_sha256=self.weights_sha256, **terms)

    def voice_vector(self, voice: str | Voice | None, prompt: Clip | None = None) -> Tensor:
        """The vector [1, D] of a voice by name, file, object or clip.

        Raises:
            VoiceError: if the voice is unknown or of another model, or both are given.
            AudioError: if the prompt is too short, silent or damaged.
        """
        import torch

        if prompt is not None and voice is None:  # no colour is wanted: it takes a second
            return torch.from_numpy(self._performers.studio.hear(prompt))[None].to(self.device)
        return torch.from_numpy(self._timbre(voice, prompt).vector)[None].to(self.device)

    def planned_duration(
        self, text: str, *, voice: str | Voice | None = None, language: str = "en"
    ) -> float:
        """Seconds that the text is planned to last, before a frame is predicted.

        Raises:
            TextError, VoiceError: as :meth:`stream`.
        """
        vector, planner = self._timbre(voice).vector, self.narrator or self._performers.studio
        frames = sum(planner.planned(piece, vector) for piece in sentences(text, language))
        return frames / self.config.latent_rate

    def _timbre(self, voice: str | Voice | None, prompt: Clip | None = None) -> Timbre:
        """How a voice sounds, by name, file, object or clip."""
        if prompt is not None:
            if voice is not None:
                raise VoiceError("voice and prompt exclude each other: give one of them")
            return self._performers.studio.imitate(prompt)
        facts = self.weights_sha256, (self.config.width, self.config.latent)
        return chosen(voice, self.config.speakers, self._performers.named, *facts, self._files)
