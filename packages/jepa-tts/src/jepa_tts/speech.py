"""The port of voice-data: how other packages train, adapt and hear this model without naming it.

Letters: B batch, N bytes, T latent frames, F = 4 T mel frames, M mel bands, Z latent dimensions, D
width.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from jepa_tts.adaptation import presets, unadapted
from jepa_tts.aligner import mismatches
from jepa_tts.alphabet import PAD
from jepa_tts.chorus import speak_together
from jepa_tts.clip import LONGEST_FRAMES, encode_clip
from jepa_tts.model import Plan
from jepa_tts.objective import loss_of
from jepa_tts.prompt import WINDOW_FRAMES, Voice
from jepa_tts.rehearsal import cached, uncached
from jepa_tts.script import sentences
from jepa_tts.states import FromStates, speak
from jepa_tts.text_mel import TextMel
from voice_data.speech import SpeechModelError, Trace

if TYPE_CHECKING:
    from torch import Tensor

    from jepa_tts.tts import JepaTTS
    from voice_data.audio import Audio
    from voice_data.dataset import Example
    from voice_data.speech import Condition, Encoded, Loss, Path

HEARD_WINDOWS = 64
"""Windows that a voice is heard from at once."""
JUDGED_CLIPS = 8
"""Clips by which voices are compared when one is chosen for a speaker."""
OWN_VOICE = "own"
"""The name of the voice that a model is saved with."""


class JepaSpeech(FromStates):
    """A :class:`voice_data.speech.StatesModel` around a :class:`jepa_tts.tts.JepaTTS`."""

    def __init__(self, tts: JepaTTS) -> None:
        self.tts = tts
        self._targets = presets(tts.model)
        self._sha256 = tts.weights_sha256  # taken before anything is adapted

    @property
    def sample_rate(self) -> int:
        """Hz of what it reads and speaks."""
        return self.tts.sample_rate

    @property
    def network(self) -> nn.Module:
        """The module whose linear layers adapters target."""
        return self.tts.model

    @property
    def weights_sha256(self) -> str:
        """Hash of the base weights."""
        return self._sha256

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """``default``: the predictor's self-attention and feed-forward outputs, and the layers by
        which embeddings, text and mels come in and go out: 0.97 % of the shipped model at rank 8.
        ``attention``: all attention of the predictor, 0.81 %. ``all``: every linear layer that
        speaks, 2.43 %, more than most adapters need; for hours of one voice.
        """
        return self._targets

    @property
    def context(self) -> int:
        """The most latent frames of a clip."""
        return LONGEST_FRAMES

    @property
    def voices(self) -> tuple[str, ...]:
        """Names for ``voice``."""
        return self.tts.voices

    def encode(self, example: Example) -> Encoded:
        """``ids`` [N], ``mel`` [F, M], ``latents`` [T, Z], ``durations`` [N] and ``mismatch`` [].

        The durations come from :func:`jepa_tts.aligner.align`; a clip whose ``mismatch`` exceeds
        :data:`jepa_tts.aligner.MISMATCH` probably says something else, which is logged.

        Raises:
            SpeechModelError: for a clip at another rate, shorter than 0.2 s, longer than
                :attr:`context`, without text, or with more text than anyone could say.
        """
        return encode_clip(self.tts, example)

    def length(self, encoded: Encoded) -> int:
        """Latent frames."""
        return len(encoded["latents"])

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """``voice`` [D]: as heard from the clips, or the named voice in which the base model says
        them more alike (:func:`jepa_tts.aligner.mismatches` of at most eight clips).

        Raises:
            SpeechModelError: if there are no clips.
        """
        self._require(encoded)
        model, device = self.tts.model, self.tts.device
        judges = encoded[:: -(-len(encoded) // JUDGED_CLIPS)]
        with unadapted(model), torch.inference_mode():
            named = model.voices.table.weight[: len(model.config.speakers)]
            voices = torch.cat((self._hear(encoded)[None], named))
            found = [
                mismatches(model, each["ids"].to(device), each["mel"].to(device), voices)
                for each in judges
            ]
            best = voices[int(torch.stack(found).mean(0).argmin())]
        return {"voice": best.clone().cpu()}

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> TextMel:
        """A padded batch; without ``conditions`` each clip's voice is heard from itself.

        Gradients reach the conditions.

        Raises:
            SpeechModelError: if there are no clips, or a condition is none of this model's.
        """
        self._require(encoded)
        if conditions is None:
            with unadapted(self.tts.model), torch.no_grad():
                voices = [self._hear([each]).cpu() for each in encoded]
        else:
            voices = [self._vector(condition) for condition in conditions]
        if len(voices) != len(encoded):
            raise SpeechModelError(f"{len(encoded)} clips need as many voices, not {len(voices)}")
        return TextMel.of(encoded, voices)

    def loss(self, batch: TextMel) -> Loss:
        """What :func:`jepa_tts.objective.loss_of` adds up."""
        ids = batch.ids.to(self.tts.device)
        return self.loss_of_states(batch, self.tts.model.text_encoder(ids))

    def loss_of_states(self, batch: TextMel, states: Tensor) -> Loss:
        """:meth:`loss` with states [B, N, D] in place of those of the batch's own texts."""
        return loss_of(self.tts.model, batch.to(self.tts.device), states)

    @torch.no_grad()
    def trace(self, batch: TextMel, path: Path = "loss") -> Trace:
        """Predicted and true latents [B, T, Z], without noise; see the port for ``path``."""
        batch, model = batch.to(self.tts.device), self.tts.model
        plan = self._plan(batch)
        if path == "loss":
            outputs, labels = model.predict(plan, batch.latents).latents, batch.latents
        else:
            follow = {"cached": cached, "uncached": uncached}[path]
            outputs, labels = follow(model, plan, batch.latents)
        return Trace(outputs=outputs, labels=labels, mask=batch.mask)

    def speak(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Audio:
        """The whole text as one sound; see :meth:`jepa_tts.tts.JepaTTS.speak`.

        Raises:
            SpeechModelError: if the condition is none of this model's.
            TextError, VoiceError: as there.
        """
        return self.tts.speak(text, voice=self._voice(voice), seed=_seed(seed))

    def stream(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Iterator[Audio]:
        """The same sound sentence by sentence."""
        return self.tts.stream(text, voice=self._voice(voice), seed=_seed(seed))

    def speak_batch(
        self,
        texts: Sequence[str],
        *,
        voices: Sequence[str | Condition | None] | None = None,
        seed: int | None = None,
    ) -> list[Audio]:
        """What :meth:`speak` makes of each text, in one run for all; row i of a batch is text i.

        Raises:
            SpeechModelError: if there are not as many voices as texts, or as :meth:`speak`.
            TextError, VoiceError: as :meth:`speak`.
        """
        voices = [None] * len(texts) if voices is None else voices
        if not texts or len(voices) != len(texts):
            raise SpeechModelError(
                f"{len(texts)} texts and {len(voices)} voices: give a voice for each text"
            )
        scripts = [sentences(text) for text in texts]
        vectors = [self.tts.voice_vector(self._voice(voice)) for voice in voices]
        return speak_together(self.tts, scripts, torch.cat(vectors), seed=_seed(seed))

    def speak_states(
        self, states: Tensor, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Audio:
        """The sound of one piece, given as states [N, D]; see :func:`jepa_tts.states.speak`."""
        vector = self.tts.voice_vector(self._voice(voice))
        return speak(self.tts, states, vector, seed=_seed(seed))

    def save_pretrained(
        self, folder: str | os.PathLike[str], *, voice: Condition | None = None
    ) -> None:
        """Write model and vocoder as a folder that :func:`load` reads, merged adapters included.

        ``voice`` becomes its first voice, :data:`OWN_VOICE`, which speaks where none is asked for.
        """
        made = None if voice is None else self._as_voice(voice, OWN_VOICE)
        self.tts.save_pretrained(folder, voice=made)

    def _require(self, encoded: Sequence[Encoded]) -> None:
        if not encoded:
            raise SpeechModelError("there are no clips: give at least one")

    def _plan(self, batch: TextMel) -> Plan:
        """The batch as its own plan: what is said when is known."""
        text = self.tts.model.text_encoder(batch.ids)
        return Plan(text, batch.ids != PAD, batch.voices, batch.durations, batch.frames)

    def _hear(self, encoded: Sequence[Encoded]) -> Tensor:
        """The voice [D] in all windows (as long as in training) of some clips, averaged."""
        windows = [part for each in encoded for part in each["latents"].split(WINDOW_FRAMES)]
        vectors = []
        for start in range(0, len(windows), HEARD_WINDOWS):
            some = windows[start : start + HEARD_WINDOWS]
            rows = nn.utils.rnn.pad_sequence(some, batch_first=True).to(self.tts.device)
            lengths = torch.tensor([len(part) for part in some], device=rows.device)
            mask = torch.arange(rows.shape[1], device=rows.device) < lengths[:, None]
            vectors.append(self.tts.model.voices.hear(rows, mask) * lengths[:, None])
        return torch.cat(vectors).sum(0) / sum(map(len, windows))

    def _vector(self, condition: Condition) -> Tensor:
        width = self.tts.config.width
        unknown = sorted(set(condition) - {"voice"})
        if unknown or "voice" not in condition:
            wrong = f"unknown key {unknown[0]!r}" if unknown else "no key 'voice'"
            raise SpeechModelError(f"the condition has {wrong}; jepa-tts knows: voice")
        vector = condition["voice"].float().cpu()
        if vector.shape != (width,):
            raise SpeechModelError(
                f"the condition's voice is {list(vector.shape)} and this model wants [{width}]: "
                "it belongs to another model"
            )
        return vector

    def _voice(self, voice: str | Condition | None) -> str | Voice | None:
        if voice is None or isinstance(voice, str):
            return voice
        return self._as_voice(voice, "condition")

    def _as_voice(self, condition: Condition, name: str) -> Voice:
        vector = self._vector(condition).detach().numpy()
        return Voice(name=name, vector=vector, base_sha256=self.tts.weights_sha256)


def load(path: str | os.PathLike[str] | None = None) -> JepaSpeech:
    """The entry point ``jepa-tts``: the shipped checkpoint, a folder or a hub id, trainable.

    Raises:
        ArtefactError: if the checkpoint is missing or damaged.
    """
    from jepa_tts.tts import JepaTTS

    speech = JepaSpeech(JepaTTS.from_pretrained(path))
    speech.network.requires_grad_(True)
    return speech


def _seed(seed: int | None) -> int:
    return int.from_bytes(os.urandom(4), "big") if seed is None else seed
