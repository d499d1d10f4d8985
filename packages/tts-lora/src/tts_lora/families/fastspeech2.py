"""FastSpeech 2 with Conformers: phonemes with durations, pitch and energy in, mels out at once.

Clips of a batch go through one after another: the network's convolutions look into padding, so that
a clip would sound differently in company. Letters: B batch, N tokens, F frames, M mel bands, X
numbers of a speaker vector.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import TYPE_CHECKING, Any, cast

from tts_lora.families.clip import check_clip, no_names, numbers
from tts_lora.families.conformer import infer, rows, teach
from tts_lora.families.family import Family, loss_of
from tts_lora.families.phonemes import Phonemes, Saving, phonemes_of, read_phonemes, split_groups
from tts_lora.families.prosody import SAMPLE_RATE, Prosody, even_durations, read_scales
from tts_lora.families.weights import evaluating, frozen_statistics
from voice_data.speech import Condition, Encoded, Loss, Path, SpeechModelError, Trace

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.dataset import Example

HUB, VOCODER_HUB = "espnet/fastspeech2_conformer", "espnet/fastspeech2_conformer_hifigan"
SLACK = 2
"""Frames by which given durations may miss a clip's end: aligners round differently."""

_ATTENTION = ("linear_q", "linear_k", "linear_v", "linear_out")


class FastSpeech2(Family):
    """A :class:`voice_data.speech.SpeechModel` around ``FastSpeech2ConformerModel``."""

    def __init__(
        self, network: Any, phonemes: Phonemes, vocoder: str | Any, prosody: Prosody | None = None
    ) -> None:
        """``vocoder`` is the HiFi-GAN, or a folder or hub id that is loaded when first heard."""
        super().__init__(network)
        self._phonemes, self._vocoder = phonemes, vocoder
        self._prosody = prosody or Prosody(mels=network.config.num_mel_bins)

    @property
    def sample_rate(self) -> int:
        """Hz of what it reads and speaks."""
        return SAMPLE_RATE

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """``attention``; ``all`` adds the feed-forward convolutions."""
        return {"attention": _ATTENTION, "all": (*_ATTENTION, "conv1", "conv2")}

    @property
    def context(self) -> None:
        """Positions are relative: any length."""
        return

    def encode(self, example: Example) -> Encoded:
        """``ids``, ``durations`` [N] int64, ``pitch``, ``energy`` [N, 1], ``mel`` [F, M], and
        ``speaker`` [X] where the network takes one.

        From ``utterance.extra``: ``phonemes`` (a list, or one string with spaces; else the text is
        read by g2p), ``durations`` (frames per token, the end's included; else the clip's frames
        are dealt out evenly, see :func:`tts_lora.families.prosody.even_durations`),
        ``speaker_embedding``.

        Raises:
            SpeechModelError: for a clip at another rate, too short, or without text, or if
                durations do not fit.
        """
        import torch

        check_clip(example, SAMPLE_RATE)
        utterance, samples = example.utterance, example.audio.samples
        given = utterance.extra.get("phonemes")
        if given is None:
            ids = self._ids(self._normal(utterance.text))
        else:
            ids = self._phonemes.of(phonemes_of(utterance.id, given))
        mel = self._prosody.mel(samples)
        durations = self._durations(example, mel, len(ids))
        encoded = {
            "ids": torch.tensor(ids),
            "durations": durations,
            "mel": mel,
            "pitch": self._prosody.pitch(samples, durations),
            "energy": self._prosody.energy(samples, durations),
        }
        if self._network.config.speaker_embed_dim:
            vector = numbers(utterance, "speaker_embedding")
            if vector is None or len(vector) != self._network.config.speaker_embed_dim:
                raise SpeechModelError(
                    f"clip {utterance.id!r}: this checkpoint needs extra['speaker_embedding'], "
                    f"{self._network.config.speaker_embed_dim} numbers"
                )
            encoded["speaker"] = torch.tensor(vector)
        return encoded

    def length(self, encoded: Encoded) -> int:
        """Frames F."""
        return len(encoded["mel"])

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """``speaker`` [X], the mean; nothing for a network of one speaker."""
        import torch

        if not encoded:
            raise SpeechModelError("a condition needs a clip")
        if "speaker" not in encoded[0]:
            return {}
        return {"speaker": torch.stack([e["speaker"] for e in encoded]).mean(0)}

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> dict[str, Tensor]:
        """``ids``, ``durations``, ``text_mask`` [B, N], ``pitch``, ``energy`` [B, N, 1], ``mel``
        [B, F, M], ``mask`` [B, F], ``speaker`` [B, X].
        """
        import torch

        from voice_data.dataset import pad

        names = ("ids", "durations", "pitch", "energy", "mel")
        padded = {name: pad([e[name] for e in encoded]) for name in names}
        batch = {name: each.values for name, each in padded.items()}
        batch |= {"text_mask": padded["ids"].mask, "mask": padded["mel"].mask}
        voices = conditions or encoded
        if "speaker" in voices[0]:
            batch["speaker"] = torch.stack([voice["speaker"] for voice in voices])
        return batch

    def loss(self, batch: Mapping[str, Tensor]) -> Loss:
        """The sum of the :meth:`terms`."""
        parts = self.terms(batch)
        return loss_of(parts, positions=int(batch["mask"].sum()))

    def terms(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """L1 before and after the post-net; squared errors of log duration, pitch and energy."""
        import torch
        from torch.nn.functional import l1_loss, mse_loss

        batch = self._here(batch)
        with frozen_statistics(self._network):
            clips = [teach(self._network, row) for row in rows(batch)]
        text, mel = batch["text_mask"], batch["mel"][batch["mask"]]
        wanted = {
            "duration": (batch["durations"][text].float() + 1).log(),
            "pitch": batch["pitch"][text][:, 0],
            "energy": batch["energy"][text][:, 0],
        }
        found = {
            "duration": [row.durations for row in clips],
            "pitch": [row.pitch for row in clips],
            "energy": [row.energy for row in clips],
        }
        parts = {
            "mel": l1_loss(torch.cat([row.before for row in clips]), mel),
            "mel_refined": l1_loss(torch.cat([row.after for row in clips]), mel),
        }
        return parts | {k: mse_loss(torch.cat(v), wanted[k]) for k, v in found.items()}

    def trace(self, batch: Mapping[str, Tensor], path: Path = "loss") -> Trace:
        """Refined frames and the clip's own [B, F, M].

        There is no step to cache: both other paths are the library's own inference, with its
        predictions of durations, pitch and energy replaced by the clip's.
        """
        import torch
        from torch.nn.utils.rnn import pad_sequence

        batch = self._here(batch)
        with evaluating(self._network):
            if path == "loss":
                outputs = [teach(self._network, row).after for row in rows(batch)]
            else:
                with torch.no_grad():
                    outputs = [infer(self._network, row) for row in rows(batch)]
        return Trace(outputs=pad_sequence(outputs, True), labels=batch["mel"], mask=batch["mask"])

    def mel(self, text: str, voice: str | Condition | None = None) -> Tensor:
        """The mel [F, M] of one sentence, as the vocoder takes it.

        Raises:
            SpeechModelError: if ``voice`` is a name, or the network takes a speaker vector and
                gets none.
        """
        import torch

        no_names(voice, "FastSpeech 2")
        row = {"ids": torch.tensor(self._ids(text))}
        if self._network.config.speaker_embed_dim:
            if not isinstance(voice, Mapping) or not voice:
                raise SpeechModelError("this checkpoint speaks with a voice only: pass a condition")
            row["speaker"] = voice["speaker"]
        with evaluating(self._network), torch.no_grad():
            return infer(self._network, self._here(row))

    def save_pretrained(self, folder: str | File) -> None:
        """Write network and phonemes as :func:`load` reads them, and the vocoder into ``vocoder/``
        where it is loaded.
        """
        self._network.save_pretrained(folder)
        if isinstance(self._phonemes.tokenizer, Saving):
            self._phonemes.tokenizer.save_pretrained(folder)
        else:
            text = json.dumps(self._phonemes.vocabulary)
            (File(folder) / "vocab.json").write_text(text, encoding="utf-8")
        if not isinstance(self._vocoder, str):
            self._vocoder.save_pretrained(File(folder) / "vocoder")

    @property
    def _most_units(self) -> int:
        return self._network.config.max_source_positions // 8

    def _units(self, text: str) -> int:
        return len(self._ids(text))

    def _ids(self, text: str) -> list[int]:
        return self._phonemes.ids(text)

    def _parts(self, text: str) -> list[str]:
        return split_groups(text) or super()._parts(text)

    def _normal(self, text: str) -> str:
        return text if split_groups(text) else super()._normal(text)

    def _durations(self, example: Example, mel: Tensor, tokens: int) -> Tensor:
        import torch

        given, name = numbers(example.utterance, "durations"), example.utterance.id
        if given is None:
            return even_durations(mel, tokens)
        durations = torch.tensor(given).long()
        missing = len(mel) - int(durations.sum())
        if len(durations) != tokens or abs(missing) > SLACK or bool((durations < 0).any()):
            raise SpeechModelError(
                f"clip {name!r}: {len(durations)} durations of {int(durations.sum())} frames for "
                f"{tokens} tokens (with the end) and {len(mel)} frames: align it again"
            )
        longest = int(durations.argmax())
        durations[longest] += missing
        return durations

    def _sound(self, text: str, voice: str | Condition | None) -> Tensor:
        mel = self.mel(text, voice)
        if isinstance(self._vocoder, str):
            from transformers import FastSpeech2ConformerHifiGan

            vocoder: Any = FastSpeech2ConformerHifiGan.from_pretrained(self._vocoder)
            self._vocoder = vocoder.eval()
        return cast("Any", self._vocoder).to(mel.device)(mel)


def load(path: str | None = None) -> FastSpeech2:
    """The entry point ``fastspeech2``: a hub id or a folder; its ``vocoder/`` is the vocoder if
    there, and ESPnet's ``feats_stats.npz``, ``pitch_stats.npz``, ``energy_stats.npz`` are read.

    Raises:
        SpeechModelError: if it cannot be loaded; the reason is named.
    """
    from transformers import FastSpeech2ConformerModel

    source = path or HUB
    inside = File(source) / "vocoder"
    try:
        network = FastSpeech2ConformerModel.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise SpeechModelError(f"{source} is no FastSpeech 2 checkpoint: {error}") from error
    prosody = Prosody(mels=network.config.num_mel_bins, scales=read_scales(File(source)))
    vocoder = str(inside) if inside.is_dir() else VOCODER_HUB
    return FastSpeech2(network, read_phonemes(source), vocoder, prosody)
