"""The settings of IndexTTS's language model, as its published ``config.yaml`` names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionerConfig:
    """A conformer that halves the frames, and the feed-forward factor of the perceiver after it.

    Raises:
        ValueError: if the width is not divisible by the heads.
    """

    output_size: int = 512
    linear_units: int = 2048
    attention_heads: int = 8
    num_blocks: int = 6
    input_layer: Literal["conv2d2"] = "conv2d2"
    perceiver_mult: int = 2

    def __post_init__(self) -> None:
        if self.output_size % self.attention_heads:
            raise ValueError(
                f"output_size ({self.output_size}) must be divisible by attention_heads "
                f"({self.attention_heads})"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTTSConfig:
    """The section ``gpt`` of the file; the defaults are those of IndexTTS 1.5.

    With ``emo_condition_module`` it is an IndexTTS 2: it has emotions, and is conditioned on
    features of ``feature_dim`` numbers instead of 100 mel bands.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    layers: int = 24
    model_dim: int = 1280
    heads: int = 20
    max_text_tokens: int = 600
    max_mel_tokens: int = 800
    max_conditioning_inputs: int = 1
    number_text_tokens: int = 12_000
    number_mel_codes: int = 8_194
    start_text_token: int = 0
    stop_text_token: int = 1
    start_mel_token: int = 8_192
    stop_mel_token: int = 8_193
    condition_num_latent: int = 32
    condition_type: Literal["conformer_perceiver"] = "conformer_perceiver"
    condition_module: ConditionerConfig = ConditionerConfig()
    emo_condition_module: ConditionerConfig | None = None
    feature_dim: int = 1024
    use_mel_codes_as_input: Literal[True] = True
    train_solo_embeddings: Literal[False] = False
    mel_length_compression: int = 1024
    types: Literal[1] = 1

    def __post_init__(self) -> None:
        if self.model_dim % self.heads:
            raise ValueError(
                f"model_dim ({self.model_dim}) must be divisible by heads ({self.heads})"
            )
        for name, size in (
            ("start_mel_token", self.number_mel_codes),
            ("stop_mel_token", self.number_mel_codes),
            ("start_text_token", self.number_text_tokens),
            ("stop_text_token", self.number_text_tokens),
        ):
            if not 0 <= getattr(self, name) < size:
                raise ValueError(f"{name} must be below {size}, not {getattr(self, name)}")

    @property
    def conditioning_length(self) -> int:
        """Positions before the text: the latents, and the two speeds of IndexTTS 2."""
        return self.condition_num_latent + 2 * (self.emo_condition_module is not None)

    @property
    def codes_per_second(self) -> float:
        """23.4 of the mel codes of IndexTTS 1.5, 50 of the semantic codes of IndexTTS 2."""
        return 24_000 / 1024 if self.emo_condition_module is None else 50.0
