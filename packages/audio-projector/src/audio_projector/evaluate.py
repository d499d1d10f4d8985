"""What hidden states are worth: projectors and the speech model's own text path on equal terms.

Every system says the same held-out sentences and homographs in the same voice in one run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_projector.bridge import Bridge
from audio_projector.pronunciation import Homograph, Verdict, judge
from voice_data.audio import write

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel
    from voice_data.audio import Audio
    from voice_data.speech import StatesModel

TEXT = "text"
"""The name of the speech model's own text path among the systems."""
LISTENER = "listener"
"""And of the check on the judge: sentences whose pronunciation is known."""
Speaker = Callable[[str], "Audio"]


class EvaluateError(ValueError):
    """An evaluation that cannot be made; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Of one system. ``wer`` and the others are ``{"mean", "low", "high"}`` with 95 % intervals;
    ``homographs`` is the share heard as they should be, ``by_word`` the same word by word.
    """

    system: str
    parameters: int = 0
    quality: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    homographs: float | None = None
    by_word: Mapping[str, float] = field(default_factory=dict)
    margins: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is said and how it is judged; ``metrics`` are those of :mod:`voice_data.score`."""

    sentences: Sequence[str] = ()
    homographs: Sequence[Homograph] = ()
    metrics: Sequence[str] = ("wer",)
    voice: str = ""
    seed: int = 0
    threads: int = 1


def systems(
    projectors: Mapping[str, str | Path], *, llm: str = "", target: str = ""
) -> dict[str, Bridge]:
    """The named projectors, all between the same two models, which are loaded once.

    Raises:
        EvaluateError: if there is none, or one is called ``text``.
        ArtefactError: if one is damaged or stands between other models.
    """
    from audio_projector.checkpoint import load_projector
    from audio_projector.llm import LanguageModel
    from voice_data.speech import load_speech_model, require_states

    if not projectors or TEXT in projectors or LISTENER in projectors:
        raise EvaluateError(f"give at least one projector, none of them called {TEXT!r}")
    saved = {name: load_projector(place or None) for name, place in projectors.items()}
    first = next(iter(saved.values())).binding
    reference = target or first.tts
    model: StatesModel = require_states(load_speech_model(reference), reference)
    model.network.requires_grad_(False)
    language_model: LanguageModel = LanguageModel.from_pretrained(llm or first.llm)
    for each in saved.values():
        each.binding.require_tts(model)
        each.binding.require_llm(language_model)
    return {
        name: Bridge(language_model, each.projector, model, each.binding)
        for name, each in saved.items()
    }


def evaluate(bridges: Mapping[str, Bridge], task: Task, out: Path) -> Iterator[Scores]:
    """Scores of each projector, of the text path, and of the judge itself; sounds go to ``out``.

    Raises:
        EvaluateError: if there is nothing to say.
        ImportError: naming the extra, if WER is asked for and no recogniser is installed.
    """
    if not task.sentences and not task.homographs:
        raise EvaluateError("there is nothing to say: give sentences or homographs")
    model = next(iter(bridges.values())).model
    voice = task.voice or None
    own = partial(model.speak, voice=voice, seed=task.seed)
    for name, bridge in bridges.items():
        speaker = partial(bridge.speak, voice=voice, seed=task.seed)
        parameters = bridge.projector.size()
        yield _scored(name, parameters, speaker, task, model, out)
    yield _scored(TEXT, 0, own, task, model, out)


def check_judge(
    model: StatesModel, homographs: Sequence[Homograph], voice: str, seed: int = 1
) -> Scores:
    """How often the judge names the pronunciation that was really said.

    Every sentence is said in a voice with both spellings by turns, so that a judge that always
    names the same one is right half of the time.
    """
    verdicts = []
    for number, item in enumerate(homographs):
        if number % 2:
            item = replace(item, right=item.wrong, wrong=item.right)
        said = model.speak(item.spelled(item.right), voice=voice, seed=seed)
        verdicts.append(judge(item, said, model))
    return Scores(system=LISTENER, **_homographs(verdicts))


def _scored(
    name: str,
    parameters: int,
    speaker: Speaker,
    task: Task,
    model: StatesModel,
    out: Path,
) -> Scores:
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    quality = _quality(speaker, task, folder) if task.sentences else {}
    verdicts = []
    for number, item in enumerate(task.homographs):
        audio = speaker(item.text)
        write(folder / f"homograph-{number:03d}.wav", audio)
        verdicts.append(judge(item, audio, model))
    return Scores(system=name, parameters=parameters, quality=quality, **_homographs(verdicts))


def _quality(speaker: Speaker, task: Task, folder: Path) -> dict[str, dict[str, float]]:
    from voice_data.score import Row, score

    rows = []
    for number, text in enumerate(task.sentences):
        path = folder / f"{number:04d}.wav"
        write(path, speaker(text))
        rows.append(Row(audio=path, text=text, id=f"{number:04d}", speaker=task.voice or "default"))
    metrics: tuple[Any, ...] = tuple(task.metrics)
    report = score(rows, metrics=metrics, threads=task.threads)
    report.save(folder, plot=False)
    return {name: asdict(found) for name, found in report.summary().items()}


def _homographs(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    if not verdicts:
        return {}
    words: dict[str, list[bool]] = {}
    for each in verdicts:
        words.setdefault(each.item.word, []).append(each.heard)
    return {
        "homographs": sum(each.heard for each in verdicts) / len(verdicts),
        "by_word": {word: sum(found) / len(found) for word, found in words.items()},
        "margins": tuple(round(each.margin, 3) for each in verdicts),
    }
