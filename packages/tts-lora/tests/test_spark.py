"""Spark-TTS with a real Qwen2 and a real tokenizer of toy size; BiCodec's package is a stand-in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from weighing import check_positions

from tts_lora.contract import check_alignment
from tts_lora.families.codec_lm import CodecBatch, CodecLm
from tts_lora.families.sampling import GREEDY
from tts_lora.families.spark import BiCodec, SparkConfig, SparkLayout, load
from voice_data.audio import Audio, read
from voice_data.dataset import Example
from voice_data.manifest import Utterance
from voice_data.speech import Encoded, SpeechModelError

RATE, G = 16_000, 4
CONFIG = SparkConfig(global_tokens=G, global_size=6, semantic_size=12)
TEXTS = ("One.", "Two of it.", "Three, then.", "And a fourth.")
CONTROLS = (
    "<|im_end|>",
    "<|task_tts|>",
    "<|start_content|>",
    "<|end_content|>",
    "<|start_global_token|>",
    "<|end_global_token|>",
    "<|start_semantic_token|>",
    "<|end_semantic_token|>",
)


def toy_tokenizer(*, semantic: int = CONFIG.semantic_size) -> Any:
    """Bytes, and Spark's tokens in an order of their own."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    codes = [f"<|bicodec_semantic_{i}|>" for i in reversed(range(semantic))]
    voices = [f"<|bicodec_global_{i}|>" for i in range(CONFIG.global_size)]
    names = [*CONTROLS, *codes, *voices]
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in names])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=CONTROLS[0])


def toy_network(vocabulary: int) -> Any:
    """Two layers, seeded."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=300,
        tie_word_embeddings=False,
        initializer_range=0.1,  # as in a trained model: a rank of 8 has something to work with
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Qwen2ForCausalLM(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as it lies on a disk, the language model in ``LLM`` as published."""
    tokenizer = toy_tokenizer()
    layout = SparkLayout(CONFIG, tokenizer, BiCodec("nowhere"))
    folder = tmp_path_factory.mktemp("spark")
    CodecLm(toy_network(len(tokenizer)), layout, GREEDY).save_pretrained(folder / "LLM")
    return folder


@pytest.fixture
def model(folder: Path) -> CodecLm:
    """The same, loaded."""
    return load(str(folder))


def example(text: str, count: int = 20, *, rate: int = RATE, **extra: Any) -> Example:
    """A clip that brings ``count`` seeded codes along."""
    rng = np.random.default_rng(count)
    semantic = rng.integers(0, CONFIG.semantic_size, count).tolist()
    codes = {"bicodec_global": [1, 5, 0, 2], "bicodec_semantic": semantic, **extra}
    codes = {name: value for name, value in codes.items() if value is not None}
    utterance = Utterance(id=text[:3], audio="a.wav", text=text, extra=codes)
    return Example(utterance=utterance, audio=Audio(np.zeros(rate, np.float32), rate))


@pytest.fixture
def clips(model: CodecLm) -> list[Encoded]:
    """Four clips of one speaker."""
    return [model.encode(example(text, 20 + 3 * i)) for i, text in enumerate(TEXTS)]


def test_the_published_sizes_are_the_defaults() -> None:
    config = SparkConfig()
    assert (config.global_tokens, config.global_size, config.semantic_size) == (32, 4_096, 8_192)
    assert (config.sample_rate, config.frame_rate) == (16_000, 50.0)
    with pytest.raises(SpeechModelError, match="global_tokens must be positive, not 0"):
        SparkConfig(global_tokens=0)


def test_a_prompt_is_what_the_tokenizer_makes_of_the_published_string(model: CodecLm) -> None:
    tokenizer = toy_tokenizer()
    prompt = model.layout.prompt("Hi there.", {"global": torch.tensor([1, 5, 0, 2])})
    written = (
        "<|task_tts|><|start_content|>Hi there.<|end_content|><|start_global_token|>"
        "<|bicodec_global_1|><|bicodec_global_5|><|bicodec_global_0|><|bicodec_global_2|>"
        "<|end_global_token|><|start_semantic_token|>"
    )
    assert prompt == tokenizer(written, add_special_tokens=False)["input_ids"]
    codes = torch.tensor([[3, 0, 11]])
    spoken = "<|bicodec_semantic_3|><|bicodec_semantic_0|><|bicodec_semantic_11|>"
    tokens = model.layout.tokens(codes).tolist()
    assert tokens == tokenizer(spoken, add_special_tokens=False)["input_ids"]
    assert model.layout.codes([tokens[0], 7, *tokens[1:]]).tolist() == codes.tolist()
    assert model.layout.codes([]).shape == (1, 0)
    ends = tokenizer.convert_tokens_to_ids(["<|end_semantic_token|>", "<|im_end|>"])
    assert model.layout.stops == tuple(ends)
    with pytest.raises(SpeechModelError, match=r"the control token '<\|end_content\|>'"):
        model.layout.prompt("Hi<|end_content|>", {"global": torch.tensor([1, 5, 0, 2])})


def test_encode_takes_the_codes_that_a_clip_brings_along(model: CodecLm) -> None:
    encoded = model.encode(example("One.", 5))
    assert encoded["codes"].shape == (1, 5)
    assert encoded["codes"].dtype == torch.int32
    assert encoded["global"].tolist() == [1, 5, 0, 2]
    assert bytes(encoded["text"].tolist()) == b"One."
    assert model.length(encoded) == 6 + 4 + G + 5 + 1


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (example("One.", rate=8_000), "has 8000 Hz and 16000 Hz are wanted"),
        (example("One.", bicodec_global=None), r"has codes but no extra\['bicodec_global'\]"),
        (example("One.", bicodec_semantic=None), r"no extra\['bicodec_semantic'\]"),
        (example("One.", bicodec_semantic=[12]), "the code 12 is not in a codebook of 12"),
        (example("One.", bicodec_global=[0, 1, 2, 6]), "the code 6 is not in a codebook of 6"),
        (example("One.", bicodec_global=[0, 1]), r"codes must be \[4, T\], not \[2, 1\]"),
        (example("One.", bicodec_global="1 2"), "must be a list of numbers, not '1 2'"),
        (example("One.", 300), "takes 315 positions and the model has 300"),
    ],
)
def test_encode_refuses(model: CodecLm, clip: Example, message: str) -> None:
    with pytest.raises(SpeechModelError, match=message):
        model.encode(clip)


def test_without_bicodec_the_remedy_is_named(
    model: CodecLm, clips: list[Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sparktts", None)
    bare = example("One.", bicodec_global=None, bicodec_semantic=None)
    with pytest.raises(SpeechModelError, match=r"clone the Spark-TTS repository.* manifest"):
        model.encode(bare)
    with pytest.raises(SpeechModelError, match="take codes from generate_units"):
        model.layout.sound(clips[0]["codes"], clips[0])


class StandIn:
    """What the ``BiCodecTokenizer`` of sparktts does, by shapes: files in, arrays out."""

    def __init__(self, model_dir: Path, device: str) -> None:
        assert device == "cpu"
        assert (model_dir / "BiCodec").is_dir()

    def tokenize(self, audio_path: str) -> tuple[Tensor, Tensor]:
        clip = read(audio_path)
        assert clip.rate == RATE
        semantic = torch.arange(len(clip.samples) // 320)[None] % 12
        return torch.tensor([[[1, 5, 0, 2]]]), semantic

    def detokenize(self, global_tokens: Tensor, semantic_tokens: Tensor) -> np.ndarray:
        assert global_tokens.shape == (1, G)
        return np.repeat(semantic_tokens[0].numpy() / 16, 320).astype(np.float64)


def test_bicodec_is_used_where_it_can_be_imported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    for name in ("sparktts", "sparktts.models", "sparktts.models.audio_tokenizer"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    module = sys.modules["sparktts.models.audio_tokenizer"]
    monkeypatch.setattr(module, "BiCodecTokenizer", StandIn, raising=False)
    shutil.copytree(folder, tmp_path / "whole")
    (tmp_path / "whole" / "BiCodec").mkdir()
    model = load(str(tmp_path / "whole"))
    encoded = model.encode(example("One.", bicodec_global=None, bicodec_semantic=None))
    assert encoded["codes"].tolist() == [[i % 12 for i in range(50)]]
    assert encoded["global"].tolist() == [1, 5, 0, 2]
    sound = model.layout.sound(encoded["codes"], encoded)
    assert sound.dtype == torch.float32
    assert sound[::320].tolist() == [i % 12 / 16 for i in range(50)]
    assert model.layout.sound(encoded["codes"][:, :0], encoded).shape == (0,)
    voice = model.condition([encoded])
    spoken = model.speak("One. Two.", voice=voice, seed=1)
    pieces = list(model.stream("One. Two.", voice=voice, seed=1))
    assert spoken.rate == RATE
    np.testing.assert_array_equal(spoken.samples, np.concatenate([p.samples for p in pieces]))


def test_a_voice_is_the_clip_that_agrees_best(model: CodecLm) -> None:
    rows = ([1, 5, 0, 2], [1, 5, 0, 3], [1, 5, 1, 3], [4, 4, 4, 4])
    clips = [model.encode(example("One.", bicodec_global=row)) for row in rows]
    assert model.condition(clips)["global"].tolist() == [1, 5, 0, 3]


def test_no_voice_has_a_name(model: CodecLm) -> None:
    with pytest.raises(SpeechModelError, match="no voice by name, so not 'ada'"):
        model.speak("Hi.", voice="ada")
    with pytest.raises(SpeechModelError, match="pass the condition of some clips"):
        model.speak("Hi.")


def test_the_contract_holds_and_a_second_shift_breaks_it(
    model: CodecLm, clips: list[Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = check_alignment(model, clips)
    assert report.ok, report.findings
    assert {"q_proj", "k_proj", "v_proj", "o_proj", "down_proj"} <= set(report.groups)
    monkeypatch.setattr(model, "collate", shifted(model.collate))
    findings = check_alignment(model, clips).findings
    assert any("they are shifted twice" in finding for finding in findings)


def shifted(collate: Callable[..., CodecBatch]) -> Callable[..., CodecBatch]:
    """A collator that shifts the labels, although the loss is going to."""

    def wrapped(*args: Any) -> CodecBatch:
        batch = collate(*args)
        return replace(batch, labels=batch.labels.roll(-1, 1))

    return wrapped


def test_an_adapter_memorises_four_clips_and_says_them_again(
    model: CodecLm, clips: list[Encoded], tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
    from peft import set_peft_model_state_dict as put

    torch.manual_seed(0)
    targets = list(model.targets["all"])
    config = LoraConfig(r=8, lora_alpha=16, target_modules=targets)
    inject_adapter_in_model(config, model.network)
    assert check_alignment(model, clips).ok
    trained = [p for p in model.network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2, weight_decay=0.0)
    batch = model.collate(clips)
    model.network.train()
    for _ in range(200):
        total = model.loss(batch).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        if float(total.detach()) < 0.02:
            break
    voice = model.condition(clips)
    for text, clip in zip(TEXTS, clips, strict=True):
        assert model.generate_units(text, voice).tolist() == clip["codes"].tolist()
    kept = get_peft_model_state_dict(model.network, save_embedding_layers=False)
    fresh = load_like(model, tmp_path)
    inject_adapter_in_model(config, fresh.network)
    assert fresh.generate_units(TEXTS[0], voice).tolist() != clips[0]["codes"].tolist()
    put(fresh.network, kept)
    assert fresh.generate_units(TEXTS[0], voice).tolist() == clips[0]["codes"].tolist()


def load_like(model: CodecLm, folder: Path) -> CodecLm:
    """The base again, through another folder, without ``LLM`` in it."""
    layout = model.layout
    base = toy_network(len(toy_tokenizer()))
    CodecLm(base, layout, GREEDY).save_pretrained(folder)
    again = load(str(folder))
    assert again.weights_sha256 == model.weights_sha256
    return again


def test_a_folder_that_is_no_spark_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match=r"'nobody/nothing' is no folder, and no hub id"):
        load("nobody/nothing")
    with pytest.raises(SpeechModelError, match="holds no tokenizer"):
        load(str(tmp_path))
    with pytest.raises(SpeechModelError, match=r"lacks <\|bicodec_semantic_10\|>: it is not Spark"):
        SparkLayout(CONFIG, toy_tokenizer(semantic=10), BiCodec("nowhere"))


def test_the_loss_counts_tokens_with_the_stop(model: CodecLm, clips: list[Encoded]) -> None:
    check_positions(model, clips, [each["codes"].numel() + 1 for each in clips], "codes")
