"""Downloads, with the hub replaced: what is fetched, what is said without the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from audio_projector import download as module
from audio_projector.download import DownloadError, available, download
from audio_projector.place import Place


def test_a_model_is_fetched_without_pickles_and_its_licence_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: llama3.1\n---\n# A model\n")
    (tmp_path / "model.safetensors").write_bytes(bytes(100))
    asked: list[Any] = []

    def fetch(model: str, **options: Any) -> str:
        asked.append((model, options))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    found = download("owner/name", revision="v1")
    assert (found.licence, found.model) == ("llama3.1", "owner/name")
    assert found.bytes > 100
    model, options = asked[0]
    assert (model, options["revision"]) == ("owner/name", "v1")
    assert not any("bin" in p or "pkl" in p or p == "*" for p in options["allow_patterns"])
    download("owner/name", file="a.gguf")
    assert asked[1][1]["allow_patterns"][0] == "a.gguf"


def test_without_the_network_it_says_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> str:
        raise OSError("no route\nto the hub")

    (tmp_path / "tiny.gguf").write_bytes(bytes(7))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    monkeypatch.setattr(module, "locate", lambda: Place(folder=str(tmp_path), gguf="tiny.gguf"))
    with pytest.raises(DownloadError, match=r"cannot be fetched \(no route\).*tiny\.gguf"):
        download("owner/name")
    assert [each.bytes for each in available()][-1] == 7


@pytest.mark.parametrize(
    "error",
    [
        errors.HTTPError("no route"),  # pyright: ignore[reportPrivateImportUsage]
        errors.HFValidationError("no such id"),
        OSError("disk full"),
    ],
)
def test_what_the_hub_raises_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(DownloadError, match=str(error)):
        download("owner/name")


def test_a_mistake_in_the_code_is_not_called_a_failed_download(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any, **options: Any) -> str:
        raise TypeError("a mistake")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(TypeError, match="a mistake"):
        download("owner/name")


def test_a_card_without_a_licence_says_so(tmp_path: Path) -> None:
    assert module._licence(tmp_path) == ""
    (tmp_path / "README.md").write_text("# No front matter\n")
    assert module._licence(tmp_path) == ""
