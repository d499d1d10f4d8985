"""Qwen3-TTS at toy size: the real classes of the package qwen-tts, which has to be installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from qwen_tts.core.models import Qwen3TTSConfig, Qwen3TTSForConditionalGeneration
from qwen_tts.core.tokenizer_12hz.configuration_qwen3_tts_tokenizer_v2 import (
    Qwen3TTSTokenizerV2Config,
)
from qwen_tts.core.tokenizer_12hz.modeling_qwen3_tts_tokenizer_v2 import Qwen3TTSTokenizerV2Model
from qwen_tts.inference.qwen3_tts_tokenizer import Qwen3TTSTokenizer
from transformers import EncodecFeatureExtractor, PreTrainedTokenizerFast

from tts_lora.families.qwen3_states import StatesAt
from tts_lora.families.qwen3_tts import Qwen3TTS
from tts_lora.families.sampling import GREEDY, SamplingConfig
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.manifest import Utterance

TEXTS = ("ab cd ef", "gh ij", "kl mn op qr")
CODES = END = 16  # the marks follow the first codes
VOCABULARY = END + 1024


def _tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    marks = ["<|im_start|>", "<|im_end|>"]
    words = [*marks, "assistant", "\n", "<unk>", *"abcdefghijklmnopqrstuvwxyz ."]
    rules = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    rules.pre_tokenizer = pre_tokenizers.Split(Regex("assistant|."), "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=rules, unk_token="<unk>")
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    return tokenizer


def _codec() -> Qwen3TTSTokenizer:
    config = Qwen3TTSTokenizerV2Config(
        encoder_config={
            "num_filters": 2, "hidden_size": 8, "upsampling_ratios": [8, 6, 5, 4],
            "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
            "head_dim": 4, "intermediate_size": 8, "num_quantizers": 4, "codebook_size": CODES,
            "codebook_dim": 8, "vector_quantization_hidden_dimension": 8, "sliding_window": 10,
            "upsample_groups": 8,
        },
        decoder_config={
            "codebook_size": CODES, "hidden_size": 8, "latent_dim": 8, "codebook_dim": 8,
            "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 8,
            "num_hidden_layers": 1, "num_quantizers": 4, "decoder_dim": 32, "head_dim": 4,
            "sliding_window": 8,
        },
        encoder_valid_num_quantizers=4,
    )  # fmt: skip
    codec = Qwen3TTSTokenizer()
    codec.model = Qwen3TTSTokenizerV2Model(config).eval()
    with torch.no_grad():  # codebooks are learnt with statistics and begin as zeros
        for name, value in codec.model.named_buffers():
            if name.endswith("embed_sum"):
                value.normal_()
    codec.feature_extractor = EncodecFeatureExtractor(sampling_rate=24_000)
    codec.config, codec.device = config, torch.device("cpu")
    return codec


def _network(kind: str = "base", **talker: Any) -> Qwen3TTSForConditionalGeneration:
    shape = {
        "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 8, "num_code_groups": 4, "initializer_range": 0.3,
    }  # fmt: skip
    config = Qwen3TTSConfig(
        talker_config={
            **shape,
            "code_predictor_config": {
                **shape, "hidden_size": 12, "vocab_size": CODES, "num_hidden_layers": 2,
            },
            "vocab_size": VOCABULARY, "num_hidden_layers": 2, "text_hidden_size": 10,
            "text_vocab_size": 40, "max_position_embeddings": 64,
            "rope_scaling": {
                "rope_type": "default", "mrope_section": [2, 1, 1], "interleaved": True,
            },
            "codec_eos_token_id": END, "codec_think_id": END + 1, "codec_nothink_id": END + 2,
            "codec_think_bos_id": END + 3, "codec_think_eos_id": END + 4, "codec_pad_id": END + 5,
            "codec_bos_id": END + 6, "codec_language_id": {"english": END + 7},
            "spk_id": {"anna": END + 8}, "spk_is_dialect": {"anna": False}, **talker,
        },
        speaker_encoder_config={
            "enc_dim": 16, "enc_channels": [8, 8, 8, 8, 24], "enc_attention_channels": 4,
            "enc_res2net_scale": 2, "enc_se_channels": 4,
        },
        tokenizer_type="qwen3_tts_tokenizer_12hz", tts_model_size="toy", tts_model_type=kind,
        tts_pad_token_id=36, tts_bos_token_id=37, tts_eos_token_id=38,
    )  # fmt: skip
    return Qwen3TTSForConditionalGeneration(config).eval()


def toy_model(states_at: StatesAt = "projected", **options: Any) -> Qwen3TTS:
    """A talker of two layers, greedy."""
    torch.manual_seed(0)
    network = _network(**options)
    network.load_speech_tokenizer(_codec())
    network.load_generate_config({})
    penalized = SamplingConfig(temperature=0.0, repetition_penalty=1.05)
    return Qwen3TTS(network, _tokenizer(), talker=penalized, predictor=GREEDY, states_at=states_at)


def toy_example(
    index: int = 0, *, rate: int = 24_000, seconds: float = 0.0, **changes: Any
) -> Example:
    """A chirp that says one of ``TEXTS``."""
    time = np.arange(int(rate * (seconds or 0.3 + 0.15 * index))) / rate
    sound = 0.4 * np.sin(2 * np.pi * (150 + 120 * index + 400 * time) * time)
    fields = {"id": f"c{index}", "audio": f"c{index}.wav", "text": TEXTS[index], "language": "en"}
    audio = Audio(sound.astype(np.float32), rate)
    return Example(utterance=Utterance(**{**fields, **changes}), audio=audio)
