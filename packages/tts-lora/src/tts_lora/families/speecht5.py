"""SpeechT5: characters in, two log-mel frames a step out, with an x-vector for the voice.

Letters: B batch, N characters, T steps, R frames per step, F = T * R frames, M mel bands,
X numbers of a speaker vector, S samples.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import TYPE_CHECKING, Any, cast

from tts_lora.families.clip import check_clip, no_names, numbers
from tts_lora.families.family import Family, loss_of
from tts_lora.families.speecht5_decoder import (
    grouped,
    last_frames,
    steps,
    teach,
    without_prenet_dropout,
)
from tts_lora.families.weights import evaluating, frozen_statistics
from voice_data.speech import Condition, Encoded, Loss, Path, SpeechModelError, Trace

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.dataset import Example

HUB, VOCODER_HUB = "microsoft/speecht5_tts", "microsoft/speecht5_hifigan"
FRAMES_PER_CHARACTER = 20
"""Speech that goes on for longer has lost its text, and is ended."""
STOP_WEIGHT = 5.0  # a clip has one last frame among hundreds

_log = logging.getLogger(__name__)
_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
_FEED_FORWARD = ("intermediate_dense", "output_dense")


class SpeechT5(Family):
    """A :class:`voice_data.speech.SpeechModel` around ``SpeechT5ForTextToSpeech``."""

    def __init__(self, network: Any, tokenizer: Any, extractor: Any, vocoder: str | Any) -> None:
        """``vocoder`` is the HiFi-GAN, or a folder or hub id that is loaded when first heard."""
        super().__init__(network)
        # A layer that is skipped has no gradient, which stops training on several processes.
        network.speecht5.encoder.wrapped_encoder.layerdrop = 0.0
        network.speecht5.decoder.wrapped_decoder.layerdrop = 0.0
        self._tokenizer, self._extractor, self._vocoder = tokenizer, extractor, vocoder

    @property
    def sample_rate(self) -> int:
        """Hz of what it reads and speaks."""
        return self._extractor.sampling_rate

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """``attention`` of encoder and decoder; ``all`` adds the feed-forward layers."""
        return {"attention": _ATTENTION, "all": _ATTENTION + _FEED_FORWARD}

    @property
    def context(self) -> int:
        """Decoder steps T."""
        return self._network.config.max_speech_positions

    def encode(self, example: Example) -> Encoded:
        """``ids`` [N] int64, ``mel`` [F, M] log10 with F a multiple of R, ``speaker`` [X].

        The speaker vector is ``utterance.extra["speaker_embedding"]`` if given (an x-vector of the
        speechbrain model that SpeechT5 was trained with). Else it holds the mean and deviation of
        each mel band, carried to X numbers by fixed cosines: it tells voices apart and is the same
        on every machine, but the base model has never seen such vectors, adapters have to learn it.

        Raises:
            SpeechModelError: for a clip at another rate, too short, too long or without text.
        """
        import torch

        check_clip(example, self.sample_rate)
        name, ids = example.utterance.id, self._ids(self._normal(example.utterance.text))
        values = self._extractor(
            audio_target=example.audio.samples, sampling_rate=self.sample_rate
        )["input_values"]
        mel = torch.as_tensor(values[0], dtype=torch.float32)
        mel = mel[: len(mel) // self._reduction * self._reduction]
        length = len(mel) // self._reduction
        for found, most, what in (
            (len(ids), self._most_units, "characters"),
            (length, self.context, "steps"),
        ):
            if found > most:
                raise SpeechModelError(
                    f"clip {name!r} has {found} {what} and SpeechT5 takes {most}: segment it"
                )
        given = numbers(example.utterance, "speaker_embedding")
        speaker = self._outline(mel) if given is None else torch.tensor(given)
        if len(speaker) != self._speaker_size:
            raise SpeechModelError(
                f"clip {name!r}: extra['speaker_embedding'] has {len(speaker)} numbers and "
                f"{self._speaker_size} are wanted"
            )
        return {"ids": torch.tensor(ids), "mel": mel, "speaker": speaker}

    def length(self, encoded: Encoded) -> int:
        """Decoder steps T."""
        return len(encoded["mel"]) // self._reduction

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """``speaker`` [X]: the mean of the clips' unit vectors."""
        import torch
        from torch.nn.functional import normalize

        if not encoded:
            raise SpeechModelError("a condition needs a clip")
        return {"speaker": normalize(torch.stack([e["speaker"] for e in encoded]), dim=1).mean(0)}

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> dict[str, Tensor]:
        """``ids``, ``text_mask`` [B, N], ``mel`` [B, F, M], ``mask`` [B, F], ``speaker`` [B, X]."""
        import torch

        from voice_data.dataset import pad

        ids = pad([e["ids"] for e in encoded], self._network.config.pad_token_id)
        mel = pad([e["mel"] for e in encoded])
        return {
            "ids": ids.values,
            "text_mask": ids.mask,
            "mel": mel.values,
            "mask": mel.mask,
            "speaker": torch.stack([voice["speaker"] for voice in conditions or encoded]),
        }

    def loss(self, batch: Mapping[str, Tensor]) -> Loss:
        """The sum of the :meth:`terms`."""
        parts = self.terms(batch)
        return loss_of(parts, positions=int(batch["mask"].sum()))

    def terms(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """L1 before and after the post-net, the stop head, and attention drawn to the diagonal."""
        from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss
        from transformers.models.speecht5 import modeling_speecht5 as source

        batch = self._here(batch)
        with frozen_statistics(self._network):
            out = teach(self._network, batch)
        mask, config = batch["mask"], self._network.config
        mel, stop = batch["mel"][mask], last_frames(mask)[mask]
        weight = stop.new_tensor(STOP_WEIGHT)
        parts = {
            "mel": l1_loss(out.before[mask], mel),
            "mel_refined": l1_loss(out.after[mask], mel),
            "stop": binary_cross_entropy_with_logits(out.stop[mask], stop, pos_weight=weight),
        }
        if config.use_guided_attention_loss:
            guide = source.SpeechT5GuidedMultiheadAttentionLoss(config)
            spoken = mask[:, self._reduction - 1 :: self._reduction]
            parts["attention"] = guide(out.attention, batch["text_mask"], spoken)
        return parts

    def trace(self, batch: Mapping[str, Tensor], path: Path = "loss") -> Trace:
        """Outputs and labels [B, T, R * (M + 1)]: a step's frames before the post-net, and its
        stops (logits, and 1 at the last frame). Without any dropout, the decoder's own included.
        """
        import torch

        batch, size = self._here(batch), self._reduction
        frames, mask = grouped(batch["mel"], size), batch["mask"][:, ::size]
        with evaluating(self._network), without_prenet_dropout(self._network):
            if path == "loss":
                out = teach(self._network, batch)
                outputs = [grouped(out.before, size), grouped(out.stop[..., None], size)]
                labels = [frames, grouped(last_frames(batch["mask"])[..., None], size)]
            else:
                cached, truth = path == "cached", frames.unbind(1)
                with torch.no_grad():
                    said = list(steps(self._network, batch, cached=cached, truth=truth))
                end = torch.zeros_like(frames[..., :size])  # where speaking has to end
                end[torch.arange(len(end)), mask.sum(1) - 1, -1] = 1.0
                outputs = [torch.stack([s.frames for s in said], 1)]
                outputs.append(torch.stack([s.stop for s in said], 1))
                labels = [torch.stack([s.fed for s in said], 1), end]
        return Trace(outputs=torch.cat(outputs, -1), labels=torch.cat(labels, -1), mask=mask)

    def mel(self, text: str, voice: str | Condition | None = None) -> Tensor:
        """Log10 mel [F, M] of one sentence, as the vocoder takes it; without ``voice`` the speaker
        vector is zero. The decoder draws dropout also when it speaks.

        Raises:
            SpeechModelError: if ``voice`` is a name: SpeechT5 knows none.
        """
        import torch

        no_names(voice, "SpeechT5")
        given = cast("Condition | None", voice)
        speaker = torch.zeros(self._speaker_size) if given is None else given["speaker"]
        ids = torch.tensor([self._ids(text)])
        whole = torch.ones_like(ids, dtype=torch.bool)
        batch = self._here({"ids": ids, "text_mask": whole, "speaker": speaker[None]})
        most = min(ids.shape[1] * FRAMES_PER_CHARACTER // self._reduction, self.context)
        frames: list[Tensor] = []
        with evaluating(self._network), torch.no_grad():
            for step in steps(self._network, batch):
                frames.append(step.frames)
                if step.stop.sigmoid().sum() >= 0.5:
                    break
                if len(frames) >= most:
                    _log.warning("%r did not end by itself in %d steps", text, len(frames))
                    break
            before = torch.stack(frames, 1).reshape(1, -1, self._network.config.num_mel_bins)
            return self._network.speech_decoder_postnet.postnet(before)[0]

    def save_pretrained(self, folder: str | File) -> None:
        """Write network, tokenizer and mel settings as :func:`load` reads them, and the vocoder
        into ``vocoder/`` where it is loaded.
        """
        for part in (self._network, self._tokenizer, self._extractor):
            part.save_pretrained(folder)
        if not isinstance(self._vocoder, str):
            self._vocoder.save_pretrained(File(folder) / "vocoder")

    @property
    def _reduction(self) -> int:
        return self._network.config.reduction_factor

    @property
    def _speaker_size(self) -> int:
        return self._network.config.speaker_embedding_dim

    @property
    def _most_units(self) -> int:
        return self._network.config.max_text_positions

    def _units(self, text: str) -> int:
        return len(self._ids(text))

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(text)["input_ids"]

    def _outline(self, mel: Tensor) -> Tensor:
        import torch

        spread = mel.std(0, unbiased=False)
        values = torch.cat([mel.mean(0) - mel.mean(), spread - spread.mean()])
        places = torch.arange(self._speaker_size, dtype=torch.float64)[:, None] + 0.5
        cosines = (torch.pi / self._speaker_size * places * (1 + torch.arange(len(values)))).cos()
        return (cosines.float() @ values) * (2.0 / self._speaker_size) ** 0.5

    def _sound(self, text: str, voice: str | Condition | None) -> Tensor:
        mel = self.mel(text, voice)
        if isinstance(self._vocoder, str):
            from transformers import SpeechT5HifiGan

            vocoder: Any = SpeechT5HifiGan.from_pretrained(self._vocoder)
            self._vocoder = vocoder.eval()
        return cast("Any", self._vocoder).to(mel.device)(mel)


def load(path: str | None = None) -> SpeechT5:
    """The entry point ``speecht5``: a hub id or a folder; its ``vocoder/`` is the vocoder if there.

    Raises:
        SpeechModelError: if it cannot be loaded; the reason is named.
        ImportError: if its tokenizer needs a package that is missing.
    """
    from transformers import AutoTokenizer, SpeechT5FeatureExtractor, SpeechT5ForTextToSpeech

    source = path or HUB
    inside = File(source) / "vocoder"
    try:
        network = SpeechT5ForTextToSpeech.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source)
        extractor = SpeechT5FeatureExtractor.from_pretrained(source)
    except ImportError as error:
        raise ImportError(
            f"the tokenizer of {source} needs sentencepiece: pip install 'tts-lora[speecht5]'"
        ) from error
    except (OSError, ValueError) as error:
        raise SpeechModelError(f"{source} is no SpeechT5 checkpoint: {error}") from error
    return SpeechT5(network, tokenizer, extractor, str(inside) if inside.is_dir() else VOCODER_HUB)
