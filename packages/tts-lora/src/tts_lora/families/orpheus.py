"""Orpheus: a Llama that goes on with the seven SNAC codes of each frame, one token after another.

The published layout, token by token: start of human, begin of text, ``voice: text``, end of text,
end of human, start of AI, start of speech, audio tokens, end of speech. (The end of the AI's turn
follows in the published data; speech has ended by then, so it is a stop here and no label.)
Letters: Q codes per frame (7), T frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.families.clip import check_clip
from tts_lora.families.codec import Codec, load_snac, located
from tts_lora.families.codec_layout import (
    SETTINGS,
    from_bytes,
    load_tokenizer,
    read_settings,
    text_ids,
    to_bytes,
    write_settings,
)
from tts_lora.families.codec_lm import CodecLm
from tts_lora.families.sampling import SamplingConfig
from voice_data.speech import Condition, Encoded, SpeechModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from voice_data.dataset import Example

HUB, CODEC_HUB = "canopylabs/orpheus-3b-0.1-ft", "hubertsiuzdak/snac_24khz"
SAMPLING = SamplingConfig(temperature=0.6, top_p=0.95, repetition_penalty=1.1)
_FILES = ("*.json", "*.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrpheusConfig:
    """Where the tokens lie: all of speech follows the ``text_tokens`` of the tokenizer.

    ``begin_of_text`` None leaves that token out. ``codec`` is a folder in the model's own, or a hub
    id; ``voice`` the name that speaks if none is given. ``drop_repeats`` leaves out a frame whose
    slowest code repeats the one before, as the published training data did: pauses get shorter.

    Raises:
        SpeechModelError: if a number is negative or the voice is no name.
    """

    text_tokens: int = 128_256
    begin_of_text: int | None = 128_000
    end_of_text: int = 128_009
    codec: str = CODEC_HUB
    voice: str = "tara"
    drop_repeats: bool = True

    def __post_init__(self) -> None:
        for name in ("text_tokens", "begin_of_text", "end_of_text"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise SpeechModelError(f"OrpheusConfig.{name} must be 0 or more, not {value}")
        _check_name(self.voice)

    @property
    def start_of_speech(self) -> int:
        """128257 as published, and the following in the same way."""
        return self.text_tokens + 1

    @property
    def end_of_speech(self) -> int:
        """128258."""
        return self.text_tokens + 2

    @property
    def start_of_human(self) -> int:
        """128259."""
        return self.text_tokens + 3

    @property
    def end_of_human(self) -> int:
        """128260."""
        return self.text_tokens + 4

    @property
    def start_of_ai(self) -> int:
        """128261."""
        return self.text_tokens + 5

    @property
    def end_of_ai(self) -> int:
        """128262."""
        return self.text_tokens + 6

    @property
    def first_code(self) -> int:
        """128266: code 0 of the first place in a frame; each place has a range of its own."""
        return self.text_tokens + 10


class OrpheusLayout:
    """The :class:`tts_lora.families.codec_layout.Layout` of Orpheus."""

    keys = ("voice",)

    def __init__(self, config: OrpheusConfig, tokenizer: Any, codec: Codec) -> None:
        self.config, self.codec = config, codec
        self._tokenizer = tokenizer
        self._first = list(accumulate(codec.sizes, initial=config.first_code))

    @property
    def vocabulary(self) -> int:
        """Entries that the language model needs at least."""
        return self._first[-1]

    @property
    def sample_rate(self) -> int:
        """Hz of the codec."""
        return self.codec.sample_rate

    @property
    def tokens_per_second(self) -> float:
        """Q times the frame rate."""
        return self.codec.frame_rate * len(self.codec.sizes)

    @property
    def stops(self) -> tuple[int, ...]:
        """The end of speech, which is trained, and the end of the turn."""
        return self.config.end_of_speech, self.config.end_of_ai

    def encode(self, example: Example) -> Encoded:
        """``text`` and ``voice`` (the speaker's name) as UTF-8 bytes, ``codes`` [Q, T] int32.

        Raises:
            SpeechModelError: for a clip at another rate, too short, or without text.
        """
        import torch

        check_clip(example, self.sample_rate)
        codes = self.codec.encode(torch.from_numpy(example.audio.samples)).to(torch.int32)
        if self.config.drop_repeats:
            slowest = codes[0]
            codes = codes[:, torch.cat([slowest[:1] == slowest[:1], slowest[1:] != slowest[:-1]])]
        utterance = example.utterance
        return {
            "text": to_bytes(utterance.text),
            "codes": codes,
            "voice": to_bytes(utterance.speaker),
        }

    def condition(self, voices: Sequence[Condition]) -> Condition:
        """The name that most of the clips have."""
        names = Counter(from_bytes(voice["voice"]) for voice in voices)
        return {"voice": to_bytes(names.most_common(1)[0][0])}

    def named(self, voice: str | None) -> Condition:
        """Any name: the published voices are tara, leah, jess, leo, dan, mia, zac and zoe, and an
        adapter adds the speakers that it was trained on.
        """
        name = self.config.voice if voice is None else voice
        _check_name(name)
        return {"voice": to_bytes(name)}

    def prompt(self, text: str, condition: Condition) -> list[int]:
        """Up to the start of speech; without a name the text stands alone."""
        config, name = self.config, from_bytes(condition["voice"])
        said = text_ids(self._tokenizer, f"{name}: {text}" if name else text, self._is_control)
        begin = [] if config.begin_of_text is None else [config.begin_of_text]
        opened = [config.start_of_human, *begin, *said, config.end_of_text, config.end_of_human]
        return [*opened, config.start_of_ai, config.start_of_speech]

    def tokens(self, codes: Tensor) -> Tensor:
        """Audio tokens [T * Q] of ``codes`` [Q, T], frame by frame."""
        import torch

        return (codes.long() + torch.tensor(self._first[:-1])[:, None]).T.reshape(-1)

    def codes(self, tokens: Sequence[int]) -> Tensor:
        """``codes`` [Q, T] int32; a frame with a token out of place is dropped."""
        import torch

        frames: list[list[int]] = []
        frame: list[int] = []
        for token in tokens:
            if not self._is_at(token, len(frame)):
                frame = []  # broken: look for the beginning of the next
            if self._is_at(token, len(frame)):
                frame.append(token - self._first[len(frame)])
            if len(frame) == len(self.codec.sizes):
                frames.append(frame)
                frame = []
        places = len(self.codec.sizes)
        return torch.tensor(frames, dtype=torch.int32).reshape(-1, places).T.contiguous()

    def sound(self, codes: Tensor, condition: Condition) -> Tensor:  # noqa: ARG002
        """``samples`` [S] float32: the name is in the codes already."""
        return self.codec.decode(codes)

    def to(self, device: torch.device) -> None:
        """Move the codec."""
        self.codec.to(device)

    def save(self, folder: Path) -> None:
        """Write the tokenizer, ``codec/`` and the settings."""
        self._tokenizer.save_pretrained(folder)
        self.codec.save(folder / "codec")
        write_settings(folder, "orpheus", replace(self.config, codec="codec"))

    def _is_at(self, token: int, place: int) -> bool:
        return self._first[place] <= token < self._first[place + 1]

    def _is_control(self, token: int) -> bool:
        named = (self.config.begin_of_text, self.config.end_of_text)
        return token in named or token >= self.config.text_tokens


def load(path: str | None = None) -> CodecLm:
    """The entry point ``orpheus``: a folder or hub id, ``canopylabs/orpheus-3b-0.1-ft`` by default.

    Raises:
        SpeechModelError: if a part is missing or damaged, or the parts do not fit each other.
    """
    from tts_lora.families.causal_lm import load_network

    folder = located(path or HUB, _FILES)
    config = read_settings(OrpheusConfig, folder, "orpheus")
    inside = folder / config.codec
    codec = load_snac(inside if inside.is_dir() else config.codec)
    layout = OrpheusLayout(config, load_tokenizer(folder), codec)
    network = load_network(folder)
    if network.config.vocab_size < layout.vocabulary:
        raise SpeechModelError(
            f"{folder} has {network.config.vocab_size} tokens and its codec needs "
            f"{layout.vocabulary}: it is no Orpheus, or {SETTINGS} is of another"
        )
    return CodecLm(network, layout, SAMPLING, folder=folder)


def _check_name(name: str) -> None:
    if not name.strip() or ":" in name or "\n" in name:
        raise SpeechModelError(f"{name!r} is no name for a voice: give one without ':'")
