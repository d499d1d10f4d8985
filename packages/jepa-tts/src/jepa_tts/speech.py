"""The port of voice-data: how other packages train, adapt and hear this model without naming it.

Letters: B batch, N bytes, T latent frames, Z latent dimensions, D width, S samples.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from jepa_tts.config import STRIDE
from jepa_tts.losses import masked_mean, prediction_loss, stop_loss
from jepa_tts.text import collate_text
from voice_data.speech import Loss, SpeechModelError
from voice_data.text import normalize

if TYPE_CHECKING:
    from torch import Tensor

    from jepa_tts.tts import JepaTTS
    from voice_data.audio import Audio
    from voice_data.dataset import Example

STOP_WEIGHT, TEMPO_WEIGHT = 0.02, 0.1
HISTORY_NOISE = 0.3
"""Of each latent dimension's deviation in the batch: what keeps free running on its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMel:
    """Byte ids [B, N], log-mel [B, M, F] with its ``frames`` [B] latent ones, voice indices [B].

    The voice of a speaker whom the model does not know by name is -1: it is heard from the clip.
    """

    ids: Tensor
    mel: Tensor
    frames: Tensor
    voices: Tensor


class JepaSpeech:
    """A :class:`voice_data.speech.SpeechModel` around a :class:`jepa_tts.tts.JepaTTS`."""

    def __init__(self, tts: JepaTTS) -> None:
        self.tts = tts

    @property
    def sample_rate(self) -> int:
        """Hz of what it reads and speaks."""
        return self.tts.sample_rate

    @property
    def network(self) -> nn.Module:
        """The module whose linear layers adapters target."""
        return self.tts.model

    @property
    def voices(self) -> tuple[str, ...]:
        """Names for ``voice``."""
        return self.tts.voices

    def collate(self, examples: Sequence[Example]) -> TextMel:
        """A batch from clips at :attr:`sample_rate`.

        Raises:
            SpeechModelError: if there are none, or one has another rate or is shorter than 0.2 s.
        """
        from voice_data.mel import log_mel

        if not examples:
            raise SpeechModelError("there is nothing to collate: a batch needs a clip")
        config = self.tts.config
        rows = []
        for example in examples:
            self._check(example)
            samples = torch.from_numpy(example.audio.samples)[None]
            mel = log_mel(samples, config.mel)[0].T  # [F, M]
            rows.append(mel[: len(mel) // STRIDE * STRIDE])
        speakers = [example.utterance.speaker for example in examples]
        named = [config.speakers.index(s) if s in config.speakers else -1 for s in speakers]
        utterances = [example.utterance for example in examples]
        texts = [normalize(each.text, each.language or "en") for each in utterances]
        return TextMel(
            ids=collate_text(texts),
            mel=nn.utils.rnn.pad_sequence(rows, batch_first=True).transpose(1, 2),
            frames=torch.tensor([len(row) // STRIDE for row in rows]),
            voices=torch.tensor(named),
        )

    def loss(self, batch: TextMel) -> Loss:
        """Next-embedding error under noise, the stop head, and the length of every sentence.

        The latents are targets and are not trained. Clips come without alignment: the plan's own
        durations are stretched to the clip, as in :meth:`jepa_tts.tts.JepaTTS.predict`.
        """
        model = self.tts.model
        with torch.no_grad():
            latents = model.audio_encoder(batch.mel, batch.frames * STRIDE).mean
        times = torch.arange(latents.shape[1], device=latents.device)
        mask = times < batch.frames[:, None]
        plan = model.plan(batch.ids, self._voice(batch, latents, mask))
        planned = plan.durations.sum(1).clamp_min(1.0)
        stretch = (batch.frames / planned.detach())[:, None]
        plan = plan._replace(durations=(plan.durations * stretch).detach(), lengths=batch.frames)
        deviation = masked_mean((latents - masked_mean(latents, mask)) ** 2, mask).sqrt()
        noise = torch.randn_like(latents) * HISTORY_NOISE * deviation
        out = model.predict(plan, latents + noise if model.training else latents)
        mse = prediction_loss(out.latents, latents, mask)
        stop = stop_loss(out.stop, batch.frames, mask)
        tempo = ((planned.log() - batch.frames.log()) ** 2).mean()
        total = mse + STOP_WEIGHT * stop + TEMPO_WEIGHT * tempo
        parts = {"mse": mse, "stop": stop, "tempo": tempo}
        return Loss(total=total, parts={k: float(v.detach()) for k, v in parts.items()})

    def speak(self, text: str, *, voice: str | None = None, seed: int | None = None) -> Audio:
        """The whole text as one sound; see :meth:`jepa_tts.tts.JepaTTS.speak`."""
        return self.tts.speak(text, voice=voice, seed=_seed(seed))

    def stream(
        self, text: str, *, voice: str | None = None, seed: int | None = None
    ) -> Iterator[Audio]:
        """The same sound sentence by sentence."""
        return self.tts.stream(text, voice=voice, seed=_seed(seed))

    def _check(self, example: Example) -> None:
        name, audio = example.utterance.id, example.audio
        if audio.rate != self.sample_rate:
            raise SpeechModelError(
                f"clip {name!r} has {audio.rate} Hz and {self.sample_rate} Hz are wanted: "
                "run `voice-data prepare`"
            )
        if audio.duration < 0.2:
            raise SpeechModelError(f"clip {name!r} lasts {audio.duration:.2f} s: drop it")

    def _voice(self, batch: TextMel, latents: Tensor, mask: Tensor) -> Tensor:
        voices = self.tts.model.voices
        looked_up = voices.lookup(batch.voices.clamp_min(0))
        if bool((batch.voices >= 0).all()):
            return looked_up
        heard = voices.hear(latents, mask)
        return torch.where((batch.voices >= 0)[:, None], looked_up, heard)


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
