"""Projectors as GGUF files: a "reverse mmproj", from a language model's states to speech.

Metadata: ``general.architecture`` is ``audio-projector``; ``audio-projector.config`` and
``audio-projector.binding`` hold the settings and both models as JSON; the numbers that a reader
needs first (``llm_width``, ``tts_width``, ``layers``, ``kind``) stand beside them as plain keys.
Tensors have the names of the state dict, in float32 (or float16), with GGUF's reversed shapes.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_projector.checkpoint import Binding, Saved
from audio_projector.config import ProjectorConfig
from audio_projector.gguf_header import GgufError, check_gguf
from voice_data.artefact import Provenance
from voice_data.config import ConfigError, from_mapping
from voice_data.storage import file_sha256, replacing

if TYPE_CHECKING:
    import torch

ARCHITECTURE = "audio-projector"
FORMAT = 1


def write_gguf(saved: Saved, path: Path, *, half: bool = False) -> None:
    """Write a projector, whole or not at all.

    Raises:
        ImportError: without the ``gguf`` package, naming the extra.
        OSError: if the file cannot be written.
    """
    gguf = _gguf()
    config = saved.projector.config
    with replacing(path) as temporary:
        writer = gguf.GGUFWriter(str(temporary), ARCHITECTURE)
        writer.add_uint32(f"{ARCHITECTURE}.format", FORMAT)
        writer.add_uint32(f"{ARCHITECTURE}.llm_width", config.llm_width)
        writer.add_uint32(f"{ARCHITECTURE}.tts_width", config.tts_width)
        writer.add_array(f"{ARCHITECTURE}.layers", list(config.layers))
        writer.add_string(f"{ARCHITECTURE}.kind", config.kind)
        writer.add_string("general.license", saved.provenance.licence)
        writer.add_string(f"{ARCHITECTURE}.weights_sha256", saved.weights_sha256)
        for name, values in (
            ("config", config.to_dict()),
            ("binding", asdict(saved.binding)),
            ("provenance", asdict(saved.provenance)),
        ):
            writer.add_string(f"{ARCHITECTURE}.{name}", json.dumps(values, ensure_ascii=False))
        for name, tensor in saved.projector.state_dict().items():
            plain = tensor.detach().float().contiguous()
            writer.add_tensor(name, (plain.half() if half else plain).numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def read_gguf(path: Path) -> Saved:
    """A projector from a GGUF file, in float32, in evaluation mode.

    Raises:
        GgufError: if the file is cut short, damaged, or holds something else.
        ImportError: without the ``gguf`` package, naming the extra.
    """
    from audio_projector.projector import Projector

    gguf = _gguf()
    check_gguf(path)
    reader = gguf.GGUFReader(str(path))
    architecture = _text(reader, "general.architecture", path)
    if architecture != ARCHITECTURE:
        raise GgufError(f"{path} holds a {architecture!r} model, not an {ARCHITECTURE!r} one")
    try:
        config = ProjectorConfig.from_dict(_values(reader, "config", path), where=str(path))
        binding = from_mapping(Binding, _values(reader, "binding", path), where=str(path))
        provenance = from_mapping(Provenance, _values(reader, "provenance", path), where=str(path))
        projector = Projector(config)
        projector.load_state_dict({each.name: _tensor(each) for each in reader.tensors})
    except (ConfigError, RuntimeError) as error:
        raise GgufError(f"{path} is no projector that can be used: {error}") from error
    return Saved(
        projector=projector.eval().requires_grad_(False),
        binding=binding,
        provenance=provenance,
        weights_sha256=file_sha256(path),
    )


def _tensor(each: Any) -> torch.Tensor:
    import torch

    shape = [int(size) for size in reversed(each.shape)]
    return torch.from_numpy(each.data.copy()).float().reshape(shape)


def _values(reader: Any, name: str, path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(_text(reader, f"{ARCHITECTURE}.{name}", path)))
    except (ValueError, TypeError) as error:
        raise GgufError(
            f"{path}: the entry {name} is damaged ({error}): export it again"
        ) from error


def _text(reader: Any, key: str, path: Path) -> str:
    field = reader.get_field(key)
    if field is None:
        raise GgufError(f"{path} lacks the entry {key!r}: it is no projector")
    return str(field.contents())


def _gguf() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise ImportError("GGUF files need gguf: pip install 'audio-projector[gguf]'") from error
    return gguf
