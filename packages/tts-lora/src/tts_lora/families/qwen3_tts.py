"""Qwen3-TTS: text tokens in while sixteen codes a frame come out, a speaker vector as the voice.

The package qwen-tts pins its transformers: it lives in an environment of its own, and nothing of it
is imported before a model is loaded. Letters as in :mod:`tts_lora.families.qwen3_talker`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from tts_lora.families.clip import check_clip
from tts_lora.families.family import Family, loss_of
from tts_lora.families.qwen3_folder import write
from tts_lora.families.qwen3_states import FromStates, StatesAt, states_at
from tts_lora.families.qwen3_talker import (
    CLOSING,
    ROLE,
    chooser,
    follow,
    language_code,
    steps,
    teach,
)  # fmt: skip
from tts_lora.families.sampling import SamplingConfig
from tts_lora.families.weights import evaluating
from voice_data.speech import Condition, Encoded, Loss, Path, SpeechModelError, Trace

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.dataset import Example

HUB = "Qwen/Qwen3-TTS-12Hz-0.6B-Base"
TALKER = SamplingConfig(temperature=0.9, top_k=50, repetition_penalty=1.05)
PREDICTOR = SamplingConfig(temperature=0.9, top_k=50)
PREDICTOR_WEIGHT = 0.3
"""The first code carries the words; the fifteen others share less of the loss than it has."""
FRAMES_PER_TOKEN, LEAST_FRAMES = 20, 40
"""Speech that goes on for longer than so many frames a token has lost its text, and is ended."""

_log = logging.getLogger(__name__)
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")


class Qwen3TTS(FromStates, Family):
    """A :class:`voice_data.speech.StatesModel` around ``Qwen3TTSForConditionalGeneration``."""

    language = "und"  # ten languages, whose numbers the model reads itself

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        *,
        talker: SamplingConfig = TALKER,
        predictor: SamplingConfig = PREDICTOR,
        states_at: StatesAt = "projected",
    ) -> None:
        """The settings draw first and other codes; ``states_at``: where states replace text."""
        super().__init__(network)
        self._tokenizer, self._sampling = tokenizer, (talker, predictor)
        self.states_at = states_at

    @property
    def sample_rate(self) -> int:
        """Hz of what it reads and speaks."""
        return self._network.speech_tokenizer.get_output_sample_rate()

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """``attention`` of talker and code predictor; ``all`` adds their feed-forward layers."""
        return {"attention": _ATTENTION, "all": _ATTENTION + _FEED_FORWARD}

    @property
    def context(self) -> int:
        """Positions of the talker: role, tags, text in step with frames."""
        return self._network.config.talker_config.max_position_embeddings

    def encode(self, example: Example) -> Encoded:
        """``ids`` [N], ``codes`` [T, K] int64, ``speaker`` [D], ``language`` [] (a code, or -1).

        Raises:
            SpeechModelError: for a clip at another rate, too short, too long or without text, or if
                the checkpoint has no speaker encoder (it is not a ``Base``).
        """
        import torch

        check_clip(example, self.sample_rate)
        network, name, samples = self._network, example.utterance.id, example.audio.samples
        if network.speaker_encoder is None:
            raise SpeechModelError(
                f"this Qwen3-TTS is a {network.tts_model_type!r} checkpoint without a speaker "
                "encoder: fine-tune a Base checkpoint"
            )
        with evaluating(network):
            heard = network.speech_tokenizer.encode(samples, sr=self.sample_rate)
            speaker = network.extract_speaker_embedding(samples, self.sample_rate)
        encoded = {
            "ids": torch.tensor(self._ids(self._normal(example.utterance.text))),
            "codes": heard.audio_codes[0].cpu().clone(),
            "speaker": speaker.float().cpu().clone(),
            "language": torch.tensor(language_code(network, example.utterance.language)),
        }
        if self.length(encoded) > self.context:
            found = f"{self.length(encoded)} positions and Qwen3-TTS takes {self.context}"
            raise SpeechModelError(f"clip {name!r} has {found}: segment it")
        return encoded

    def length(self, encoded: Encoded) -> int:
        """Positions of the talker: role, tags, and T frames."""
        return ROLE + (6 if int(encoded["language"]) < 0 else 7) + len(encoded["codes"])

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """``speaker`` [D], the mean, and ``language`` [], -1 where the clips differ."""
        import torch

        spoken = {int(e["language"]) for e in encoded}
        if not spoken:
            raise SpeechModelError("a condition needs a clip")
        return {
            "speaker": torch.stack([e["speaker"] for e in encoded]).mean(0),
            "language": torch.tensor(spoken.pop() if len(spoken) == 1 else -1),
        }

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> dict[str, Tensor]:
        """``ids``, ``text_mask`` [B, N], ``codes`` [B, T, K], ``mask`` [B, T], ``speaker`` [B, D],
        ``language`` [B].
        """
        import torch

        from voice_data.dataset import pad

        ids, codes = pad([e["ids"] for e in encoded]), pad([e["codes"] for e in encoded])
        return {
            "ids": ids.values,
            "text_mask": ids.mask,
            "codes": codes.values,
            "mask": codes.mask,
            "speaker": torch.stack([voice["speaker"] for voice in conditions or encoded]),
            "language": torch.stack([voice["language"] for voice in conditions or encoded]),
        }

    def loss(self, batch: Mapping[str, Tensor]) -> Loss:
        """The sum of the :meth:`terms`."""
        ends = len(batch["mask"])
        return loss_of(self.terms(batch), positions=int(batch["mask"].sum()) + ends)

    def terms(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Cross-entropy of the first code (or the end) and, weighted, of the fifteen others."""
        from torch.nn.functional import cross_entropy

        batch = self._here(batch)
        taught = teach(self._network.talker, self._network.config, batch)
        first, mask = self._first(batch), batch["mask"]
        others = cross_entropy(
            taught.others[mask].flatten(0, 1), batch["codes"][mask][:, 1:].flatten()
        )
        return {
            "talker": cross_entropy(taught.first[first >= 0], first[first >= 0]),
            "predictor": PREDICTOR_WEIGHT * others,
        }

    def trace(self, batch: Mapping[str, Tensor], path: Path = "loss") -> Trace:
        """Outputs [B, T + 1, V + (K - 1) * W]: the logits of a frame's first code, or of the end,
        and of its others (zero at the end); labels [B, T + 1, K] (zero for the end's others).
        """
        import torch
        from torch.nn.functional import pad

        batch = self._here(batch)
        talker, config = self._network.talker, self._network.config
        if path != "loss":
            with evaluating(self._network), torch.no_grad():
                return follow(talker, config, batch, cached=path == "cached")
        with evaluating(self._network):
            taught = teach(talker, config, batch)
        first, mask = self._first(batch), batch["mask"]
        others = (taught.others * mask[..., None, None]).flatten(2)
        rest = (batch["codes"] * mask[..., None])[..., 1:]
        labels = torch.cat([first[..., None], pad(rest, (0, 0, 0, 1))], -1)
        outputs = torch.cat([taught.first, pad(others, (0, 0, 0, 1))], -1)
        return Trace(outputs=outputs, labels=labels, mask=first >= 0)

    def codes(self, text: str, voice: str | Condition | None = None) -> Tensor:
        """The codes [T, K] of one sentence; ``voice`` is a condition, or a name that the checkpoint
        knows, or nothing.

        Raises:
            SpeechModelError: if the name is unknown, or nothing is said.
        """
        import torch

        return self._spoken({"ids": torch.tensor(self._ids(text))}, voice, repr(text))

    def _spoken(
        self, told: Mapping[str, Tensor], voice: str | Condition | None, name: str
    ) -> Tensor:
        """Codes [T, K] of ``ids`` [N], or of ``states`` [N, D] in their place."""
        import torch

        row = self._here({**told, **self._voice(voice)})
        most = FRAMES_PER_TOKEN * len(row.get("states", row["ids"])) + LEAST_FRAMES
        most = min(most, self.context - ROLE - 7)
        frames: list[list[int]] = []
        with evaluating(self._network), torch.no_grad():
            choose = chooser(self._network.talker.config, *self._sampling)
            for step in steps(self._network.talker, self._network.config, row, choose):
                if step.others is None:
                    break
                frames.append(step.codes)
                if len(frames) >= most:
                    _log.warning("%s did not end by itself in %d frames", name, most)
                    break
        if not frames:
            raise SpeechModelError(f"{name} was said with no sound: try another seed or text")
        return torch.tensor(frames)

    def save_pretrained(self, folder: str | File) -> None:
        """Write network, text tokenizer and speech tokenizer as :func:`load` reads them."""
        write(File(folder), self._network, self._tokenizer)

    @property
    def _most_units(self) -> int:
        return self.context // 8

    def _units(self, text: str) -> int:
        return len(self._ids(text)) - ROLE - CLOSING

    def _prompt(self, text: str) -> str:
        return f"<|im_start|>assistant\n{text}<|im_end|>\n<|im_start|>assistant\n"

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(self._prompt(text))["input_ids"]

    def _voice(self, voice: str | Condition | None) -> dict[str, Tensor]:
        import torch

        talker = self._network.talker
        if isinstance(voice, str):
            known = talker.config.spk_id or {}
            if voice.lower() not in known:
                names = ", ".join(sorted(known)) or "none"
                raise SpeechModelError(f"no voice {voice!r}; this checkpoint knows: {names}")
            at = torch.tensor(known[voice.lower()], device=talker.device)
            with torch.no_grad():
                return {"speaker": talker.get_input_embeddings()(at), "language": torch.tensor(-1)}
        if voice is None:
            return {"speaker": torch.zeros(0), "language": torch.tensor(-1)}
        return {name: voice[name] for name in ("speaker", "language")}

    def _first(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The next first code at each position [B, T + 1]: the end after the last, then -1."""
        from torch.nn.functional import pad

        lengths = batch["mask"].sum(1)
        first = pad(batch["codes"][..., 0].masked_fill(~batch["mask"], -1), (0, 1), value=-1)
        end = self._network.config.talker_config.codec_eos_token_id
        return first.scatter(1, lengths[:, None], end)

    def _sound(self, text: str, voice: str | Condition | None) -> Tensor:
        return self._decoded(self.codes(text, voice))

    def _decoded(self, codes: Tensor) -> Tensor:
        """Samples [S] of codes [T, K]."""
        import torch

        found, _ = self._network.speech_tokenizer.decode({"audio_codes": codes})
        return torch.from_numpy(found[0])


def load(path: str | None = None) -> Qwen3TTS:
    """The entry point ``qwen3-tts``: a hub id or a folder, in 32 bits; see :func:`states_at`.

    Raises:
        ImportError: without the package qwen-tts, naming the extra.
        SpeechModelError: if it cannot be loaded; the reason is named.
    """
    try:
        from qwen_tts.core import models  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            "qwen3-tts needs the package qwen-tts, which pins transformers: install "
            "'tts-lora[qwen]' into an environment of its own"
        ) from error
    from transformers import AutoTokenizer

    name, _, place = (path or HUB).partition("#")
    source, place = name or HUB, states_at(place or "projected")
    try:
        network = models.Qwen3TTSForConditionalGeneration.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise SpeechModelError(f"{source} is no Qwen3-TTS checkpoint: {error}") from error
    return Qwen3TTS(network.eval(), tokenizer, states_at=place)
