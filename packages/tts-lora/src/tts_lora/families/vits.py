"""VITS: characters or phonemes to a waveform through a flow; the library has no training of it.

Letters: B batch, N tokens, F frames, H samples of a frame, S = F * H samples, C latent channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from tts_lora.families.clip import check_clip
from tts_lora.families.family import Family, loss_of
from tts_lora.families.vits_generator import (
    divergence,
    duration_loss,
    infer,
    speaker_of,
    spectrogram,
    teach,
)
from tts_lora.families.weights import evaluating
from voice_data.speech import Condition, Encoded, Loss, Path, SpeechModelError, Trace

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.dataset import Example

HUB = "facebook/mms-tts-eng"
SEGMENT = 32
"""Frames of each clip that are decoded to sound in a step: all of them would not fit."""
MEL_WEIGHT, FLOOR = 45.0, 1e-5

_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
_CONVOLUTIONS = ("conv_1", "conv_2", "project", "conv_pre", "conv_proj", "conv_post")


class Vits(Family):
    """A :class:`voice_data.speech.SpeechModel` around ``VitsModel``."""

    language = "und"  # a checkpoint per language, whose tokenizer knows its script

    def __init__(self, network: Any, tokenizer: Any, *, mels: int = 80) -> None:
        """``mels`` are the bands in which generated and true sound are compared."""
        super().__init__(network)
        # A layer that is skipped has no gradient, which stops training on several processes.
        network.text_encoder.encoder.layerdrop = 0.0
        self._tokenizer, self._mels = tokenizer, mels

    @property
    def sample_rate(self) -> int:
        """Hz of what it reads and speaks."""
        return self._network.config.sampling_rate

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """``voice``: the text encoder and the plain convolutions of flow, posterior, durations and
        decoder; ``text``: the text encoder's attention alone. Convolutions whose weights are
        normalized are left out: an adapter could not be merged into them.
        """
        return {"voice": _ATTENTION + _CONVOLUTIONS, "text": _ATTENTION}

    @property
    def context(self) -> None:
        """Positions are relative: any length."""
        return

    def encode(self, example: Example) -> Encoded:
        """``ids`` [N] int64, ``samples`` [S] with S a multiple of H, and ``speaker`` [] where the
        network has several: ``utterance.extra["speaker_id"]``, a number, or 0.

        Raises:
            SpeechModelError: for a clip at another rate, too short or without text, with more
                tokens than frames, or of a speaker that the network does not have.
        """
        import torch

        check_clip(example, self.sample_rate)
        utterance, samples = example.utterance, torch.from_numpy(example.audio.samples)
        ids = self._ids(self._normal(utterance.text))
        frames = len(samples) // self._hop
        if len(ids) > frames:
            raise SpeechModelError(
                f"clip {utterance.id!r} has {len(ids)} tokens in {frames} frames: its text is of "
                "another clip, or drop it"
            )
        encoded = {"ids": torch.tensor(ids), "samples": samples[: frames * self._hop].clone()}
        if self._speakers > 1:
            encoded["speaker"] = torch.tensor(self._known(utterance.extra.get("speaker_id", 0)))
        return encoded

    def length(self, encoded: Encoded) -> int:
        """Frames F."""
        return len(encoded["samples"]) // self._hop

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """``speaker`` [], the first clip's; nothing for a network of one speaker."""
        if not encoded:
            raise SpeechModelError("a condition needs a clip")
        return {"speaker": encoded[0]["speaker"]} if self._speakers > 1 else {}

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> dict[str, Tensor]:
        """``ids``, ``text_mask`` [B, N], ``samples`` [B, S], ``mask`` [B, F], ``speaker`` [B]."""
        import torch

        from voice_data.dataset import pad

        ids, samples = pad([e["ids"] for e in encoded]), pad([e["samples"] for e in encoded])
        batch = {"ids": ids.values, "text_mask": ids.mask, "samples": samples.values}
        batch["mask"] = samples.mask[:, :: self._hop]
        if self._speakers > 1:
            batch["speaker"] = torch.stack([voice["speaker"] for voice in conditions or encoded])
        return batch

    def loss(self, batch: Mapping[str, Tensor]) -> Loss:
        """VITS's own sum for the generator, but for the adversary: see :meth:`shares`."""
        return loss_of(self.shares(batch), positions=int(batch["mask"].sum()))

    def shares(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``kl`` between posterior and flowed prior (text encoder, flow, posterior encoder),
        ``duration`` (its predictor alone, by the library's design), and the weighted ``mel``
        distance of a decoded segment (decoder, posterior encoder).
        """
        from torch.nn.functional import l1_loss

        batch, network = self._here(batch), self._network
        latents = teach(network, batch, self._heard(batch), noise=1.0)
        said, true = self._segments(batch, latents.heard)
        return {
            "kl": divergence(latents, batch["mask"]),
            "duration": duration_loss(network, batch, latents),
            "mel": MEL_WEIGHT * l1_loss(self.log_mel(said), self.log_mel(true)),
        }

    def trace(self, batch: Mapping[str, Tensor], path: Path = "loss") -> Trace:
        """Latents that the decoder would speak [B, F, C], without noise, and the token of each
        frame [B, F].

        There is no step to cache: both other paths are the library's own inference, with the
        aligned durations in place of the predicted ones.
        """
        import torch
        from torch.nn.utils.rnn import pad_sequence

        batch, network = self._here(batch), self._network
        with evaluating(network), torch.no_grad():
            latents = teach(network, batch, self._heard(batch), noise=0.0)
            if path == "loss":
                mask, voice = batch["mask"][:, None].float(), speaker_of(network, batch)
                outputs = network.flow(latents.mean, mask, voice, reverse=True) * mask
                labels = batch["ids"].gather(1, latents.path.int().argmax(2)) * batch["mask"]
                return Trace(outputs=outputs.transpose(1, 2), labels=labels, mask=batch["mask"])
            said, tokens = [], []
            for index, length in enumerate(batch["text_mask"].sum(1).tolist()):
                durations = latents.path[index, :, :length].sum(0)
                row = {"ids": batch["ids"][index, :length]}
                if "speaker" in batch:
                    row["speaker"] = batch["speaker"][index]
                said.append(infer(network, row, durations=durations).spectrogram[0].T)
                tokens.append(row["ids"].repeat_interleave(durations))
        labels = pad_sequence(tokens, True)
        return Trace(outputs=pad_sequence(said, True), labels=labels, mask=batch["mask"])

    def log_mel(self, samples: Tensor) -> Tensor:
        """Natural log of Slaney mels [B, M, F] of samples [B, S], as the loss compares them."""
        import torch
        from librosa.filters import mel

        bins = self._network.config.spectrogram_bins
        filters = mel(sr=self.sample_rate, n_fft=2 * (bins - 1), n_mels=self._mels)
        found = spectrogram(samples, bins, self._hop)
        return (torch.from_numpy(filters).to(found) @ found).clamp_min(FLOOR).log()

    def save_pretrained(self, folder: str | File) -> None:
        """Write network and tokenizer as :func:`load` reads them."""
        self._network.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)

    @property
    def _hop(self) -> int:
        return math.prod(self._network.config.upsample_rates)

    @property
    def _speakers(self) -> int:
        return self._network.config.num_speakers

    @property
    def _most_units(self) -> int:
        return 1000

    def _units(self, text: str) -> int:
        return len(self._ids(text))

    def _ids(self, text: str) -> list[int]:
        ids = self._tokenizer(text)["input_ids"]
        if not ids:
            raise SpeechModelError(
                f"{text[:40]!r} has no character that this checkpoint knows: it is of another "
                "language, or its tokenizer wants the text romanized (uroman)"
            )
        return ids

    def _known(self, speaker: object) -> int:
        number = int(speaker) if isinstance(speaker, (int, str)) and str(speaker).isdigit() else -1
        if not 0 <= number < self._speakers:
            raise SpeechModelError(
                f"no speaker {speaker!r}: this checkpoint has 0 to {self._speakers - 1}"
            )
        return number

    def _heard(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The clips' spectrograms [B, bins, F], each made without the padding beside it."""
        from torch.nn.utils.rnn import pad_sequence

        bins, lengths = self._network.config.spectrogram_bins, batch["mask"].sum(1).tolist()
        rows = [
            spectrogram(samples[None, : length * self._hop], bins, self._hop)[0].T
            for samples, length in zip(batch["samples"], lengths, strict=True)
        ]
        return pad_sequence(rows, batch_first=True).transpose(1, 2)

    def _segments(self, batch: Mapping[str, Tensor], latents: Tensor) -> tuple[Tensor, Tensor]:
        """A random piece of each clip, decoded and true [B, SEGMENT * H]."""
        import torch

        lengths = batch["mask"].sum(1)
        size = min(SEGMENT, int(lengths.min()))
        starts = [int(torch.randint(int(length) - size + 1, ())) for length in lengths]
        hop = self._hop
        chosen = torch.stack([z[:, s : s + size] for z, s in zip(latents, starts, strict=True)])
        true = [
            samples[s * hop : (s + size) * hop]
            for samples, s in zip(batch["samples"], starts, strict=True)
        ]
        said = self._network.decoder(chosen, speaker_of(self._network, batch))[:, 0]
        return said, torch.stack(true)

    def _sound(self, text: str, voice: str | Condition | None) -> Tensor:
        import torch

        row = {"ids": torch.tensor(self._ids(text))}
        if isinstance(voice, str):
            row["speaker"] = torch.tensor(self._known(voice))
        elif self._speakers > 1:
            row["speaker"] = voice["speaker"] if voice else torch.tensor(0)
        return infer(self._network, self._here(row)).waveform[0]


def load(path: str | None = None) -> Vits:
    """The entry point ``vits``: a hub id or a folder.

    Raises:
        SpeechModelError: if it cannot be loaded; the reason is named.
    """
    from transformers import AutoTokenizer, VitsModel

    source = path or HUB
    try:
        network = VitsModel.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise SpeechModelError(f"{source} is no VITS checkpoint: {error}") from error
    return Vits(network, tokenizer)
