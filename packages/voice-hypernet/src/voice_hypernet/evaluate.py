"""Does it work, and against what? Voices made from clips and from words, beside their controls.

Clips: voices that training never heard, judged by speaker similarity next to what recordings of
the same speaker reach among themselves. Words: hand-written descriptions, judged by measuring what
is spoken. Controls in the same run: no adapter, one adapter for all voices, another voice's clip or
description, everyday sentences in place of descriptions, the nearest voice of the training set, and
the base's own voice prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from voice_hypernet.corpus import Speaker, VoiceCorpus, mean_features
from voice_hypernet.voice import Voice
from voice_hypernet.voices import VoiceHypernet

if TYPE_CHECKING:
    from voice_data.audio import Audio
    from voice_data.speech import Condition, SpeechModel

EVERYDAY = (
    "The train to the coast leaves at half past nine.", "Boil the potatoes until they are soft.",
    "He paid for the bread and left the change.", "The window of the kitchen faces north.",
    "It rained on every day of the holiday.", "Please return the books by Friday.",
    "오늘 저녁에는 된장찌개를 끓일 거예요.", "버스는 여섯 시에 출발합니다.",
    "창문을 닫고 불을 꺼 주세요.", "책상 위에 연필이 세 자루 있다.",
)  # fmt: skip
"""Sentences that describe no voice."""


Part = Literal["clips", "descriptions", "rivals", "variance", "blending", "speed"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateConfig:
    """What to evaluate on.

    ``data`` and ``voices`` are the training's; ``texts`` a file of sentences to say, one per line,
    that no model was trained on; ``descriptions`` JSON lines of ``text``, ``language`` and
    ``tags``, of which ``drawn`` are used, all if 0. ``clips`` recordings stand for a voice.
    ``strength`` is that of the voices, None the one that users get.

    ``parts`` are the report's: voices from ``clips`` and from ``descriptions`` beside their
    controls; ``rivals``, gradient descent on as many voices; ``variance`` of a voice over
    ``steady_sentences``; ``blending`` of ``pairs``; ``speed``.
    """

    out: str
    data: str = ""
    voices: str = ""
    texts: str = ""
    descriptions: str = ""
    hypernet: str = ""
    base: str = ""
    speakers: int = 24
    sentences: int = 3
    clips: int = 4
    drawn: int = 0
    strength: float | None = None
    parts: tuple[Part, ...] = ("clips", "descriptions")
    rivals: int = 3
    oracle_steps: int = 150
    tuning_steps: int = 60
    steady_sentences: int = 50
    steady_voices: int = 2
    pairs: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("speakers", "sentences", "clips", "rivals", "oracle_steps", "tuning_steps",
                     "steady_sentences", "steady_voices", "pairs"):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(
                    f"EvaluateConfig.{name} must be 1 or more, not {getattr(self, name)}"
                )
        if unknown := sorted(set(self.parts) - set(PARTS)) or not self.parts:
            raise ValueError(f"EvaluateConfig.parts must be some of {PARTS}, not {unknown}")
        for name in ("out", "data", "voices", "texts"):
            if not getattr(self, name) and (name == "out" or set(self.parts) != {"speed"}):
                raise ValueError(f"EvaluateConfig.{name} is empty: give it a value")
        if self.drawn < 0:
            raise ValueError(f"EvaluateConfig.drawn must be 0 or more, not {self.drawn}")


class Take(NamedTuple):
    """One sentence to be spoken: by which way, for whom, and in which made or told voice."""

    way: str
    subject: str
    text: str
    made: Voice | None
    told: Condition | None


class Voicer:
    """Makes voices as the package's users do, for one loaded base, and speaks in them."""

    def __init__(
        self, hypernet: VoiceHypernet, model: SpeechModel, strength: float | None = None
    ) -> None:
        """Join the parts; ``strength`` is that of all voices, by default the package's own.

        Raises:
            ValueError: if the hypernetwork was made for another base.
        """
        made = hypernet.origin
        if made.base_sha256 != model.weights_sha256:
            raise ValueError(
                f"the hypernetwork makes voices for weights {made.base_sha256[:12]} and these "
                f"are {model.weights_sha256[:12]}: load its own base, {made.base!r}"
            )
        self.hypernet, self.model, self.strength = hypernet, model, strength

    def make(self, text: str | None = None, clip: np.ndarray | None = None) -> Voice:
        """The voice of a description, of a clip's features [X], of both, or of nothing."""
        if text is None and clip is None:
            return self.hypernet.shared_voice()
        return self.hypernet.generate_lora_adapters(text, clip, self.strength)

    def speak(self, take: Take, seed: int) -> Audio:
        """Say the take's text in its voice."""
        if take.made is None:
            return self.model.speak(take.text, voice=take.told, seed=seed)
        with take.made.worn(self.model) as told:
            return self.model.speak(take.text, voice=told, seed=seed)

    @property
    def fingerprint(self) -> str:
        """What tells these voices from those of another hypernetwork, strength or base."""
        made = self.hypernet.origin
        return f"{made.hypernet_sha256}/{made.base_sha256}/{self.strength}"


class Clips:
    """The takes about voices from recordings."""

    compared = 8
    """Recordings of a voice that what is made of it is compared with."""

    def __init__(self, voicer: Voicer, corpus: VoiceCorpus, config: EvaluateConfig) -> None:
        self.voicer, self.corpus, self.config = voicer, corpus, config
        unseen, known = _divided(corpus, voicer.hypernet)
        usable = [each for each in unseen if len(each.clips) > config.clips + 2]
        self.speakers = usable[:: max(1, len(usable) // config.speakers)][: config.speakers]
        if len(self.speakers) < 2:
            raise ValueError(
                f"{corpus.data.folder} has {len(usable)} voices that training did not hear with "
                f"more than {config.clips + 2} clips, and two are needed"
            )
        self.known = [mean_features(corpus.features, each.clips) for each in known]

    def heard(self, speaker: Speaker) -> tuple[int, ...]:
        """The clips that stand for a voice."""
        return speaker.clips[: self.config.clips]

    def references(self, speaker: Speaker) -> list[Path]:
        """Other recordings of the voice, to compare with."""
        rest = speaker.clips[self.config.clips : self.config.clips + self.compared]
        return [self.corpus.data.audio_of(i) for i in rest]

    def own(self, speaker: Speaker) -> np.ndarray:
        """What the clips that stand for a voice sound like together, [X]."""
        return mean_features(self.corpus.features, self.heard(speaker))

    def named(self, name: str) -> Speaker:
        """A speaker by name."""
        return self.corpus.speakers[name]

    def takes(self, texts: Sequence[str]) -> Iterator[Take]:
        """Every way, for every held-out voice."""
        make = self.voicer.make
        shared = make()
        for index, speaker in enumerate(self.speakers):
            own, other = self.own(speaker), self.own(self.speakers[index - 1])
            prompt = self.voicer.model.condition([self.corpus.data[i] for i in self.heard(speaker)])
            ways: dict[str, tuple[Voice | None, Any]] = {
                "clip": (make(clip=own), None),
                "another's clip": (make(clip=other), None),
                "one adapter for all": (shared, None),
                "the base's prompt": (None, prompt),
                "the base": (None, None),
            }
            if self.known:
                nearest = min(self.known, key=lambda each: float(((each - own) ** 2).sum()))
                ways["nearest known voice"] = (make(clip=nearest), None)
            if said := self._described(speaker):
                ways["description"] = (make(text=said), None)
                ways["clip and description"] = (make(text=said, clip=own), None)
            for way, (made, told) in ways.items():
                for text in texts:
                    yield Take(way, speaker.name, text, made, told)

    def _described(self, speaker: Speaker) -> str:
        from voice_data.describe import sentences

        said = sentences(speaker.tags, "en", 24, self.config.seed)
        return max((each for each in said), key=lambda each: len(each.tags.mentioned)).text


def _divided(corpus: VoiceCorpus, hypernet: VoiceHypernet) -> tuple[list[Speaker], list[Speaker]]:
    """The voices that training did not hear, and those that it did; of other data, all and none."""
    speakers = list(corpus.speakers.values())
    if corpus.data.index.manifest_sha256 != hypernet.origin.data_sha256:
        return speakers, []
    away = set(hypernet.held_out)
    return (
        [each for each in speakers if each.name in away],
        [each for each in speakers if each.name not in away],
    )


class Wanted(NamedTuple):
    """A hand-written description and the tags that it implies."""

    text: str
    language: str
    tags: Mapping[str, str]


def read_descriptions(path: str | Path) -> list[Wanted]:
    """The lines of a file of descriptions.

    Raises:
        ValueError: naming file and line, if one is wrong.
    """
    from voice_data.describe import Tags

    found = []
    for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), 1):
        try:
            values = json.loads(line)
            tags = Tags.from_list(values["tags"]).mentioned
            found.append(Wanted(text=values["text"], language=values["language"], tags=tags))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}:{number}: no description: {error}") from error
    return found


def described_takes(
    voicer: Voicer, wanted: Sequence[Wanted], texts: Sequence[str], seed: int
) -> Iterator[Take]:
    """Every description, beside another one, an everyday sentence, and one adapter for all."""
    order = np.random.default_rng(seed).permutation(len(wanted))
    shared = voicer.make()
    for index, each in enumerate(wanted):
        another = wanted[order[(int(np.flatnonzero(order == index)[0]) + 1) % len(order)]]
        ways = {
            "description": voicer.make(text=each.text),
            "another description": voicer.make(text=another.text),
            "an everyday sentence": voicer.make(text=EVERYDAY[index % len(EVERYDAY)]),
            "one adapter for all": shared,
        }
        for way, made in ways.items():
            for text in texts:
                yield Take(way, str(index), text, made, None)


def load_voicer(config: EvaluateConfig) -> Voicer:
    """The hypernetwork, with its encoder of descriptions, and its base.

    Raises:
        ArtefactError: if a checkpoint is missing or damaged.
    """
    from voice_data.speech import load_speech_model

    hypernet = VoiceHypernet.from_pretrained(config.hypernet or None)
    model = load_speech_model(config.base or hypernet.origin.base)
    return Voicer(hypernet, model, config.strength)
