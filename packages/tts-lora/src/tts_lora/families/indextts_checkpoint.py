"""IndexTTS on disk: settings and weights as they are published (but as safetensors), its tokens,
its emotions, and the vocoder that users bring.

Letters: T codes, D width, S samples.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tts_lora.families.indextts_config import IndexTTSConfig
from tts_lora.families.indextts_emotions import Emotions
from voice_data.speech import SpeechModelError

if TYPE_CHECKING:
    from torch import Tensor

    from tts_lora.families.indextts_network import IndexTTSNetwork
    from voice_data.speech import Condition

CONFIGS = ("config.json", "config.yaml")
WEIGHTS = ("gpt.safetensors", "model.safetensors")
TOKENS, EMOTIONS = "bpe.model", "emotions.safetensors"
VOCODERS = "tts_lora.vocoders"
"""The entry-point group of functions from a path (or ``None``) to a :class:`Vocoder`."""
_DERIVED = re.compile(r"inference_model\.|gpt\.wte\.|.*\.pos_enc\.pe$|gpt\.h\.\d+\.attn\.\w*bias$")
_CONVERT = (
    "import sys, torch; from safetensors.torch import save_file as s; d = torch.load(sys.argv[1], "
    "'cpu', weights_only=True); s({k: v.clone().contiguous() for k, v in d.get('model', d).items()}"
    ", sys.argv[2])"
)


class Vocoder(Protocol):
    """From ``latents`` [T, D] and ``codes`` [T] of one sentence, and the voice, to samples [S]."""

    def __call__(self, latents: Tensor, codes: Tensor, voice: Condition) -> Tensor: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the settings file says beside the network's: ``vocoder`` is a reference NAME[:PATH]."""

    gpt: IndexTTSConfig
    sample_rate: int = 24_000
    vocoder: str = ""
    emotion_counts: tuple[int, ...] = ()


def read_settings(folder: Path) -> Settings:
    """``config.json`` as :func:`write` leaves it, or the published ``config.yaml``.

    Raises:
        SpeechModelError: if there is neither, or the network's settings cannot be used.
    """
    import yaml

    from voice_data.config import ConfigError, from_mapping

    found = next((folder / name for name in CONFIGS if (folder / name).is_file()), None)
    if found is None:
        raise SpeechModelError(f"{folder} has no {' or '.join(CONFIGS)}: check the path")
    try:
        values = yaml.safe_load(found.read_text("utf-8"))  # JSON is YAML
        gpt = from_mapping(IndexTTSConfig, values["gpt"], where=str(found))
        published = values.get("s2mel", {}).get("preprocess_params", {}).get("sr")
        rate = published or values.get("dataset", {}).get("sample_rate", 24_000)
        vocoder = values.get("vocoder", "")
        return Settings(
            gpt=gpt,
            sample_rate=int(values.get("sample_rate", rate)),
            vocoder=vocoder if isinstance(vocoder, str) else "",  # published: a BigVGAN's name
            emotion_counts=tuple(values.get("emo_num") or ()),
        )
    except (ConfigError, yaml.YAMLError) as error:
        raise SpeechModelError(f"{found} cannot be used: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpeechModelError(f"{found} is no IndexTTS configuration: {error!r}") from error


def read_weights(folder: Path, network: IndexTTSNetwork) -> None:
    """Fill the network; tensors that follow from others, which published files hold, are passed by.

    Raises:
        SpeechModelError: if the file is missing, only pickled, or another network's.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        pickled = f", only {folder / 'gpt.pth'}" if (folder / "gpt.pth").is_file() else ""
        raise SpeechModelError(
            f"{folder} has no {' or '.join(WEIGHTS)}{pickled}: pickles are not read here; convert "
            f'it where you trust it: python -c "{_CONVERT}" gpt.pth gpt.safetensors'
        )
    try:
        tensors = load_file(found)
    except (OSError, SafetensorError) as error:
        raise SpeechModelError(f"{found} cannot be read ({error}): copy it again") from error
    kept = {name: t for name, t in tensors.items() if not _DERIVED.match(name)}
    wanted = network.state_dict()
    wrong = [
        f"{name} is missing" for name in wanted.keys() - kept.keys()
    ] + [f"{name} is unknown" for name in kept.keys() - wanted.keys()] + [
        f"{name} has {list(kept[name].shape)} and not {list(wanted[name].shape)}"
        for name in wanted.keys() & kept.keys()
        if kept[name].shape != wanted[name].shape
    ]  # fmt: skip
    if wrong:
        raise SpeechModelError(
            f"{found} is another network's than the configuration says: "
            f"{'; '.join(sorted(wrong)[:3])} ({len(wrong)} in all)"
        )
    network.load_state_dict(kept)


def read_tokens(folder: Path) -> Any:
    """The SentencePiece model, whose ``encode`` gives token ids.

    Raises:
        SpeechModelError: if it is missing or damaged.
        ImportError: without sentencepiece.
    """
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as error:
        raise ImportError(
            "IndexTTS's tokens need sentencepiece: pip install 'tts-lora[indextts]'"
        ) from error
    path = folder / TOKENS
    try:
        return SentencePieceProcessor(model_proto=path.read_bytes())
    except (OSError, RuntimeError) as error:
        raise SpeechModelError(f"{path} cannot be read ({error}): copy it again") from error


def read_emotions(folder: Path, counts: tuple[int, ...]) -> Emotions | None:
    """``matrix`` and, if there, ``styles`` of ``emotions.safetensors``; ``None`` without the file.

    Raises:
        SpeechModelError: if it does not fit ``counts``, by default one direction for each.
    """
    path = folder / EMOTIONS
    if not path.is_file():
        return None
    tensors = read_tensors(path)
    if "matrix" not in tensors:
        raise SpeechModelError(f"{path} has no tensor 'matrix': it has {sorted(tensors)}")
    options = {"counts": tuple(counts)} if counts else {}
    return Emotions(matrix=tensors["matrix"], styles=tensors.get("styles"), **options)


def find_vocoder(reference: str) -> Vocoder:
    """The vocoder that an installed package registers under ``NAME`` of ``NAME[:PATH]``.

    Raises:
        SpeechModelError: if none is named, or nobody registers it.
    """
    name, _, path = reference.partition(":")
    known = {entry.name: entry for entry in entry_points(group=VOCODERS)}
    if name not in known:
        said = f"{name!r} is not installed" if name else "none is named"
        raise SpeechModelError(
            f"IndexTTS needs a vocoder to be heard and {said} (its own are in no package): set "
            f"model.vocoder, or write 'vocoder: NAME:PATH' into the configuration with a package "
            f"that registers NAME under {VOCODERS!r}; there is {', '.join(sorted(known)) or 'none'}"
        )
    return known[name].load()(path or None)


def write(
    folder: Path,
    network: IndexTTSNetwork,
    settings: Settings,
    tokens: Any,
    emotions: Emotions | None,
) -> None:
    """A folder that :func:`tts_lora.families.indextts.load` reads."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    plain = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    save_file(plain, folder / WEIGHTS[0])
    values: dict[str, Any] = {"gpt": asdict(settings.gpt), "sample_rate": settings.sample_rate}
    if settings.vocoder:
        values["vocoder"] = settings.vocoder
    if emotions is not None:
        values["emo_num"] = list(emotions.counts)
        styles = {} if emotions.styles is None else {"styles": emotions.styles.contiguous()}
        save_file({"matrix": emotions.matrix.contiguous(), **styles}, folder / EMOTIONS)
    (folder / CONFIGS[0]).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    (folder / TOKENS).write_bytes(tokens.serialized_model_proto())


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file.

    Raises:
        SpeechModelError: if it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise SpeechModelError(f"{path} cannot be read ({error}): write it again") from error
