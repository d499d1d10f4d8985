"""The choice of a back end; what it then does needs hardware that tests do not have."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toy import ToySpeech

from tts_lora.backends import BackendError, Choice, backends_of, choose, enabled
from tts_lora.config import TrainConfig
from tts_lora.train import plan, train
from voice_data.encoded import PrepareConfig, SourceConfig, prepare

CUDA = {"device": "cuda", "precision": "bf16"}


@pytest.fixture
def network() -> Any:
    return ToySpeech().network


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put empty modules of these names on the path."""

    def install(*names: str) -> None:
        for name in names:
            (tmp_path / f"{name}.py").write_text("")
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def test_plain_without_the_others_and_a_line_says_so(
    network: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "tts_lora.backends"):
        choice = choose(network, **CUDA)
    assert choice.backend == "plain"
    assert "flash-attention-2: not installed (pip install flash-attn)" in choice.reason
    assert "unsloth: not installed (pip install tts-lora[unsloth])" in choice.reason
    assert [record.getMessage() for record in caplog.records] == [str(choice)]


@pytest.mark.parametrize(
    ("modules", "options", "backend"),
    [
        (("flash_attn",), CUDA, "flash-attention-2"),
        (("flash_attn", "unsloth"), CUDA, "unsloth"),
        (("flash_attn", "unsloth"), {**CUDA, "device": "cpu"}, "plain"),
        (("flash_attn",), {**CUDA, "precision": "no"}, "plain"),
        (("unsloth",), {**CUDA, "precision": "no", "device": "cuda:1"}, "unsloth"),
        (("flash_attn", "unsloth"), {**CUDA, "allowed": ("plain",)}, "plain"),
        (
            ("flash_attn", "unsloth"),
            {**CUDA, "allowed": ("plain", "flash-attention-2")},
            "flash-attention-2",
        ),
    ],
)
def test_the_fastest_that_fits(
    modules: Any, options: Any, backend: str, network: Any, installed: Any
) -> None:
    installed(*modules)
    choice = choose(network, **options)
    assert choice.backend == backend
    assert str(choice).startswith(f"back end {backend}: ")


def test_a_network_that_neither_knows(installed: Any) -> None:
    installed("flash_attn", "unsloth")
    other: Any = SimpleNamespace(config=SimpleNamespace(model_type="vits"))
    choice = choose(other, **CUDA)
    assert choice.backend == "plain"
    assert "unsloth: it does not know vits" in choice.reason
    assert "SimpleNamespace has no such attention" in choice.reason


def test_asking_for_one(network: Any, installed: Any) -> None:
    assert choose(network, "plain").reason == "it was asked for"
    with pytest.raises(BackendError, match="no back end 'fast'; there are auto, plain"):
        choose(network, "fast")  # type: ignore[arg-type]
    with pytest.raises(BackendError, match="unsloth cannot be used: not installed"):
        choose(network, "unsloth", **CUDA)
    installed("flash_attn")
    with pytest.raises(BackendError, match="needs a CUDA device, not cpu"):
        choose(network, "flash-attention-2", precision="bf16")
    assert choose(network, "flash-attention-2", **CUDA).backend == "flash-attention-2"


class Attentive:
    """A network that takes any attention."""

    def __init__(self) -> None:
        self.config = SimpleNamespace(_attn_implementation="eager")
        self.asked: list[str] = []

    def set_attn_implementation(self, name: str) -> None:
        self.asked.append(name)


def test_switching_on_and_back(network: Any) -> None:
    stub: Any = Attentive()
    with enabled(stub, Choice(backend="plain", reason="")):
        pass
    assert not stub.asked
    with enabled(stub, Choice(backend="flash-attention-2", reason="")):
        assert stub.asked == ["flash_attention_2"]
    assert stub.asked == ["flash_attention_2", "eager"]
    refused = enabled(network, Choice(backend="flash-attention-2", reason=""))
    with pytest.raises(BackendError, match="choose plain"), refused:
        pass


def test_unsloth_is_for_families_that_load_through_it() -> None:
    assert backends_of(ToySpeech()) == ("plain", "flash-attention-2")
    assert backends_of(SimpleNamespace(backends=["plain", "unsloth"])) == ("plain", "unsloth")


def test_training_asks_and_says_so(
    toy_base: str, corpus: Any, tmp_path: Path, installed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source = SourceConfig(folder=str(corpus()))
    prepare(PrepareConfig(sources=(source,), base=toy_base, out=str(tmp_path / "set")))
    config = TrainConfig(
        data=str(tmp_path / "set"), out=str(tmp_path / "run"), steps=1, device="cpu", report_to=()
    )
    installed("flash_attn", "unsloth")
    with caplog.at_level(logging.INFO, "tts_lora.backends"):
        done = train(config, progress=False)
    assert done.backend == (
        "back end plain: flash-attention-2: it needs a CUDA device, not cpu; "
        "unsloth: this family has not been written for it"
    )
    assert done.backend in [record.getMessage() for record in caplog.records]
    assert plan(replace(config, backend="plain")).lines()[-1] == "back end plain: it was asked for"
    with pytest.raises(BackendError, match="flash-attention-2 cannot be used: it needs a CUDA"):
        plan(replace(config, backend="flash-attention-2"))
    with pytest.raises(ValueError, match=r"TrainConfig\.backend must be one of auto, plain"):
        replace(config, backend="fast")  # type: ignore[arg-type]
