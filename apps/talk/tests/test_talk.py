"""The app on tiny models in the shipped ones' places: a random Llama, a projector, a tiny voice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_socket
from click.testing import CliRunner

from talk import cli
from voice_data.audio import read

WIDTH = 32


@pytest.fixture(autouse=True)
def _no_network() -> Any:
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


@pytest.fixture(scope="module")
def bridge() -> Any:
    """A bridge between a language model and a voice, both with random weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from audio_projector.bridge import Bridge
    from audio_projector.checkpoint import Binding
    from audio_projector.config import ProjectorConfig
    from audio_projector.llm import LanguageModel
    from audio_projector.projector import Projector
    from jepa_tts.config import SIZES
    from jepa_tts.model import JepaModel
    from jepa_tts.speech import JepaSpeech
    from jepa_tts.tts import JepaTTS
    from jepa_tts.vocoder import Vocoder, VocoderConfig

    torch.manual_seed(0)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i for i, letter in enumerate(["<end>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, eos_token_id=0, bos_token_id=0,
    )  # fmt: skip
    llm = LanguageModel(LlamaForCausalLM(config), fast, weights_sha256="", name="tiny")
    size = replace(SIZES["tiny"], speakers=("ada", "bert"), phonemes="abc")
    model = JepaModel(size).eval()
    torch.nn.init.constant_(model.durations.out.bias, 0.7)
    vocoder = Vocoder(VocoderConfig(width=16, inner=32, layers=1)).eval()
    speech = JepaSpeech(JepaTTS(model, vocoder))
    projector = Projector(
        ProjectorConfig(
            llm_width=WIDTH, tts_width=size.width, layers=(1, 2), width=16, heads=2, blocks=1
        )
    ).eval()
    binding = Binding(
        llm="", llm_sha256="", tokenizer_sha256="", tts="jepa-tts", tts_sha256="", prefix=""
    )
    return Bridge(llm, projector, speech, binding)


@pytest.fixture
def run(bridge: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Calls the command; the language model answers with the given words."""
    from audio_projector import generation
    from audio_projector.bridge import Bridge

    monkeypatch.setattr(Bridge, "from_pretrained", lambda *args, **options: bridge)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, says: str = "Yes, it is. Good bye.", typed: str = "") -> Any:
        ids = [*bridge.llm.tokens(says).ids, 0]
        state = {"next": 0}

        def pick(*_: Any) -> int:
            state["next"] += 1
            return ids[(state["next"] - 1) % len(ids)]

        monkeypatch.setattr(generation, "_pick", pick)
        return CliRunner().invoke(cli.main, arguments, input=typed)

    return call


def test_a_question_gives_a_sound_and_its_text(run: Any) -> None:
    result = run("Is it?", "--out", "a.wav", "--voice", "bert")
    assert result.exit_code == 0, result.output
    assert result.stdout.split("\n")[:-1] == ["Yes, it is.", "Good bye."]
    assert "a.wav: " in result.stderr
    assert read("a.wav").duration > 0.2


def test_without_a_question_it_asks_until_an_empty_line(run: Any) -> None:
    result = run(typed="Is it?\nReally?\n\n")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in Path().glob("*.wav")) == ["answer-1.wav", "answer-2.wav"]


def test_an_endless_answer_is_bounded(run: Any) -> None:
    result = run("Is it?", "--tokens", "30", says="and the old fox ran " * 9)
    assert result.exit_code == 0, result.output
    assert len("".join(result.stdout.split())) <= 30


def test_an_interruption_keeps_what_was_spoken(
    run: Any, bridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bridge.model.speak_states
    calls: list[int] = []

    def speak(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(bridge.model, "speak_states", speak)
    result = run("Is it?", "--out", "a.wav")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == "Yes, it is."
    assert "(ended)" in result.stderr
    assert Path("a.wav").is_file()


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        ((" ",), "QUESTION is empty", 2),
        (("Is it?", "--out", "a.txt"), "must end in one of", 2),
        (("Is it?", "--voice", "nobody"), "unknown voice 'nobody'", 1),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Any, arguments: tuple[str, ...], message: str, code: int
) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert message in result.output


def test_an_answer_without_words_is_an_error(run: Any) -> None:
    result = run("Is it?", says="...")
    assert result.exit_code == 1
    assert "holds no word" in result.output
