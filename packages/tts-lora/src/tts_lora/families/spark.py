"""Spark-TTS: a Qwen2 that goes on with BiCodec's semantic tokens; its global tokens are the voice.

The published layout: ``<|task_tts|><|start_content|>TEXT<|end_content|><|start_global_token|>``,
the global tokens, ``<|end_global_token|><|start_semantic_token|>``, the semantic tokens,
``<|end_semantic_token|>``. BiCodec itself is part of Spark's own repository (``sparktts``), which
no index has: with that on the Python path clips are encoded and heard; without it everything works
on codes: clips bring theirs along, and :meth:`CodecLm.generate_units` gives them back.
Letters: G global tokens (32), T semantic tokens (50 a second), S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.families.clip import check_clip, no_names, numbers
from tts_lora.families.codec import check_codes, located
from tts_lora.families.codec_layout import (
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

    from voice_data.audio import Audio
    from voice_data.dataset import Example
    from voice_data.manifest import Utterance

HUB = "SparkAudio/Spark-TTS-0.5B"
SAMPLING = SamplingConfig(temperature=0.8, top_p=0.95, top_k=50)
GLOBAL, SEMANTIC = "bicodec_global", "bicodec_semantic"
"""Keys of ``utterance.extra`` under which a clip brings its codes along, as lists of numbers."""
_LANGUAGE_MODEL = "LLM"
_CODEC_FILES = ("config.yaml", "BiCodec/*", "wav2vec2-large-xlsr-53/*")
_OPENING, _VOICE, _SPEECH, _END = (
    ("<|task_tts|>", "<|start_content|>"),
    ("<|end_content|>", "<|start_global_token|>"),
    ("<|end_global_token|>", "<|start_semantic_token|>"),
    ("<|end_semantic_token|>",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkConfig:
    """G and the sizes of both codebooks; rates in Hz; ``codec`` a folder or hub id with BiCodec.

    Raises:
        SpeechModelError: if a number is not positive.
    """

    global_tokens: int = 32
    global_size: int = 4_096
    semantic_size: int = 8_192
    sample_rate: int = 16_000
    frame_rate: float = 50.0
    codec: str = HUB

    def __post_init__(self) -> None:
        names = ("global_tokens", "global_size", "semantic_size", "sample_rate", "frame_rate")
        for name in names:
            if not getattr(self, name) > 0:
                raise SpeechModelError(
                    f"SparkConfig.{name} must be positive, not {getattr(self, name)!r}"
                )


class BiCodec:
    """Spark's codec, through the ``BiCodecTokenizer`` of its own repository; loaded when used."""

    def __init__(self, reference: str | Path) -> None:
        """``reference`` is a folder or hub id with ``config.yaml`` and ``BiCodec/``."""
        self._reference = reference
        self._device: Any = "cpu"
        self._loaded: Any = None

    def to(self, device: str | torch.device) -> None:
        """Where it is going to be loaded; no effect afterwards."""
        self._device = device

    def encode(self, audio: Audio) -> Condition:
        """``global`` [G] and ``codes`` [1, T], int32.

        Raises:
            SpeechModelError: if sparktts cannot be imported.
        """
        import tempfile

        import torch

        from voice_data.audio import write

        with tempfile.TemporaryDirectory() as folder:  # it reads files only
            path = Path(folder) / "clip.wav"
            write(path, audio)
            speaker, semantic = self._tokenizer().tokenize(str(path))
        return {
            "global": torch.as_tensor(speaker).cpu().reshape(-1).to(torch.int32),
            "codes": torch.as_tensor(semantic).cpu().reshape(1, -1).to(torch.int32),
        }

    def decode(self, codes: Tensor, speaker: Tensor) -> Tensor:
        """``samples`` [S] float32 of ``codes`` [1, T] in the voice ``speaker`` [G].

        Raises:
            SpeechModelError: if sparktts cannot be imported.
        """
        import torch

        if codes.numel() == 0:
            return torch.zeros(0)
        device = torch.device(self._device)
        sound = self._tokenizer().detokenize(
            speaker.long().reshape(1, -1).to(device), codes.long().reshape(1, -1).to(device)
        )
        return torch.as_tensor(sound).reshape(-1).float()

    def _tokenizer(self) -> Any:
        if self._loaded is None:
            try:
                from sparktts.models.audio_tokenizer import (  # pyright: ignore[reportMissingImports]
                    BiCodecTokenizer,
                )
            except ImportError as error:
                raise SpeechModelError(
                    f"BiCodec is not on any package index ({error}): clone the Spark-TTS "
                    "repository, install what it asks for and put it on PYTHONPATH; or stay with "
                    f"codes: give each clip its lists {SEMANTIC} and {GLOBAL} in the manifest's "
                    "extra, and take codes from generate_units"
                ) from error
            folder = located(self._reference, _CODEC_FILES)
            self._loaded = BiCodecTokenizer(folder, device=str(self._device))
        return self._loaded


class SparkLayout:
    """The :class:`tts_lora.families.codec_layout.Layout` of Spark-TTS."""

    keys = ("global",)

    def __init__(self, config: SparkConfig, tokenizer: Any, codec: BiCodec) -> None:
        """Raises SpeechModelError if the tokenizer lacks one of Spark's tokens."""
        self.config, self.codec, self._tokenizer = config, codec, tokenizer
        self._opening, self._voice, self._speech, self._end = (
            self._ids(names) for names in (_OPENING, _VOICE, _SPEECH, _END)
        )
        self._global = self._ids([f"<|bicodec_global_{i}|>" for i in range(config.global_size)])
        semantic = [f"<|bicodec_semantic_{i}|>" for i in range(config.semantic_size)]
        self._semantic = self._ids(semantic)
        self._code = {token: code for code, token in enumerate(self._semantic)}
        controls = (self._opening, self._voice, self._speech, self._end, self._global)
        self._controls = {*self._semantic, *(token for ids in controls for token in ids)}

    @property
    def sample_rate(self) -> int:
        """Hz of BiCodec."""
        return self.config.sample_rate

    @property
    def tokens_per_second(self) -> float:
        """Semantic tokens."""
        return self.config.frame_rate

    @property
    def stops(self) -> tuple[int, ...]:
        """The end of the semantic tokens, which is trained, and the end of the turn."""
        end = self._tokenizer.eos_token_id
        return tuple(self._end) if end is None else (*self._end, end)

    def encode(self, example: Example) -> Encoded:
        """``text`` as UTF-8 bytes, ``codes`` [1, T] and ``global`` [G] int32.

        A clip that has :data:`GLOBAL` and :data:`SEMANTIC` in its ``extra`` is not encoded again.

        Raises:
            SpeechModelError: for a clip at another rate, too short or without text, for codes that
                no codebook has, or if they are missing and sparktts cannot be imported.
        """
        check_clip(example, self.sample_rate)
        codes = self._given(example.utterance) or self.codec.encode(example.audio)
        wanted = [self.config.global_size] * self.config.global_tokens
        check_codes(codes["global"][:, None], wanted)
        check_codes(codes["codes"], [self.config.semantic_size])
        return {"text": to_bytes(example.utterance.text), **codes}

    def condition(self, voices: Sequence[Condition]) -> Condition:
        """The global tokens of the clip that agrees best with all others."""
        import torch

        rows = torch.stack([voice["global"] for voice in voices])  # [N, G]
        agreeing = (rows[:, None] == rows[None]).float().mean(2).sum(1)
        return {"global": rows[int(agreeing.argmax())]}

    def named(self, voice: str | None) -> Condition:
        """Never a voice: there are no names.

        Raises:
            SpeechModelError: always.
        """
        no_names(voice, "Spark-TTS")
        raise SpeechModelError(
            "Spark-TTS speaks in a given voice only: pass the condition of some clips "
            "(SpeechModel.condition)"
        )

    def prompt(self, text: str, condition: Condition) -> list[int]:
        """Up to the start of the semantic tokens."""
        said = text_ids(self._tokenizer, text, self._controls.__contains__)
        speaker = [self._global[code] for code in condition["global"].tolist()]
        return [*self._opening, *said, *self._voice, *speaker, *self._speech]

    def tokens(self, codes: Tensor) -> Tensor:
        """Tokens [T] of ``codes`` [1, T]."""
        import torch

        return torch.tensor(self._semantic)[codes[0].long()]

    def codes(self, tokens: Sequence[int]) -> Tensor:
        """``codes`` [1, T] int32; other tokens are dropped."""
        import torch

        found = [self._code[token] for token in tokens if token in self._code]
        return torch.tensor([found], dtype=torch.int32)

    def sound(self, codes: Tensor, condition: Condition) -> Tensor:
        """``samples`` [S] float32.

        Raises:
            SpeechModelError: if sparktts cannot be imported.
        """
        return self.codec.decode(codes, condition["global"])

    def to(self, device: torch.device) -> None:
        """Move the codec."""
        self.codec.to(device)

    def save(self, folder: Path) -> None:
        """Write the tokenizer and the settings; BiCodec stays where it is."""
        self._tokenizer.save_pretrained(folder)
        write_settings(folder, "spark", self.config)

    def _ids(self, names: Sequence[str]) -> list[int]:
        found = self._tokenizer.convert_tokens_to_ids(list(names))
        unknown = self._tokenizer.unk_token_id
        for name, token in zip(names, found, strict=True):
            if token is None or token == unknown:
                raise SpeechModelError(f"the tokenizer lacks {name}: it is not Spark's")
        return found

    def _given(self, utterance: Utterance) -> Condition | None:
        import torch

        speaker, semantic = numbers(utterance, GLOBAL), numbers(utterance, SEMANTIC)
        if speaker is None and semantic is None:
            return None
        if speaker is None or semantic is None:
            missing = GLOBAL if speaker is None else SEMANTIC
            raise SpeechModelError(f"clip {utterance.id!r} has codes but no extra[{missing!r}]")
        codes = torch.tensor([semantic]).to(torch.int32)
        return {"global": torch.tensor(speaker).to(torch.int32), "codes": codes}


def load(path: str | None = None) -> CodecLm:
    """The entry point ``spark``: a folder or hub id, ``SparkAudio/Spark-TTS-0.5B`` by default.

    The language model is in the folder's ``LLM``, as published, or in the folder itself.

    Raises:
        SpeechModelError: if a part is missing or damaged.
    """
    from tts_lora.families.causal_lm import load_network

    folder = located(path or HUB, (f"{_LANGUAGE_MODEL}/*",))
    model = folder / _LANGUAGE_MODEL if (folder / _LANGUAGE_MODEL).is_dir() else folder
    config = read_settings(SparkConfig, model, "spark")
    own = (folder / "BiCodec").is_dir()
    layout = SparkLayout(config, load_tokenizer(model), BiCodec(folder if own else config.codec))
    return CodecLm(load_network(model), layout, SAMPLING, folder=model)
