"""The package as one object: a description, a clip, or both in; voices out.

Letters: B batch, X features of a clip.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from voice_hypernet.catalogue import located
from voice_hypernet.checkpoint import KIND, read_config
from voice_hypernet.clip import Given, given
from voice_hypernet.config import VoiceConfig
from voice_hypernet.descriptions import Description, DescriptionEncoder, consider, load_encoder
from voice_hypernet.numpy_network import Generated, NumpyNetwork
from voice_hypernet.plain_words import PlainWords
from voice_hypernet.threads import shares, single_threaded_blas
from voice_hypernet.trunk import Factors
from voice_hypernet.voice import Origin, Voice, VoiceError

if TYPE_CHECKING:
    from voice_data.speech import SpeechModel
    from voice_hypernet.clip import Clip

MOST_STRENGTH = 4.0


class VoiceHypernet:
    """A trained hypernetwork and the encoder of its descriptions, without torch.

    >>> hypernet = VoiceHypernet.from_pretrained()                               # doctest: +SKIP
    >>> voice = hypernet.generate_lora_adapters(text="a deep, calm man")         # doctest: +SKIP
    >>> voice.save("deep-calm-man")                                              # doctest: +SKIP
    """

    def __init__(
        self,
        network: NumpyNetwork,
        origin: Origin,
        *,
        encoder: DescriptionEncoder | str = "",
        held_out: Sequence[str] = (),
        strength: float = 1.0,
    ) -> None:
        """Join the parts.

        ``held_out`` names the training set's voices that it never heard; ``strength`` is that of
        voices made of words alone, where none is asked for.
        """
        self.network, self.origin, self.held_out = network, origin, tuple(held_out)
        self.strength, self._encoder = strength, encoder

    @classmethod
    def from_config(
        cls, config: VoiceConfig, model: SpeechModel | str = "jepa-tts", *, encoder: str = ""
    ) -> VoiceHypernet:
        """An untrained hypernetwork for a base: every voice that it makes is the base itself.

        Raises:
            SpeechModelError: if there is no such base.
            TargetError: if the base lacks the layers of ``config.hypernet.lora.targets``.
        """
        import torch

        from voice_data.speech import load_speech_model
        from voice_hypernet.network import VoiceNetwork
        from voice_hypernet.targets import find_groups

        name = model if isinstance(model, str) else type(model).__name__
        base = load_speech_model(model) if isinstance(model, str) else model
        targets = config.hypernet.lora.targets or next(iter(base.targets.values()))
        groups = find_groups(base.network, targets)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            state = VoiceNetwork(config, groups, {}).state_dict()
        network = NumpyNetwork(config, groups, {n: v.numpy() for n, v in state.items()})
        origin = Origin(base=name, base_sha256=base.weights_sha256, sample_rate=base.sample_rate)
        return cls(network, origin, encoder=encoder)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str] | None = None) -> VoiceHypernet:
        """The checkpoint that ships, a folder of ``t2a-train``, or a hub id such as ``owner/name``.

        Raises:
            ArtefactError: if it is missing, damaged, or no hypernetwork.
            ImportError: for a hub id without huggingface_hub.
        """
        from voice_data.artefact import ArtefactError, load_artefact

        path = located(folder)
        found = load_artefact(path, kind=KIND, framework="numpy")
        config, groups = read_config(path, found.config)
        try:
            network = NumpyNetwork(config, groups, found.tensors)
        except ValueError as error:
            raise ArtefactError(f"{path} is not whole: {error}") from error
        terms = found.provenance
        origin = Origin(
            base=found.config["base"],
            base_sha256=terms.base_sha256,
            sample_rate=terms.sample_rate,
            licence=terms.licence,
            consent=terms.consent,
            data_sha256=terms.data_manifest_sha256,
            hypernet_sha256=found.weights_sha256,
        )
        return cls(
            network,
            origin,
            encoder=found.config["encoder"],
            held_out=found.config.get("held_out", ()),
            strength=found.config.get("strength", 1.0),
        )

    @cached_property
    def encoder(self) -> DescriptionEncoder:
        """What reads descriptions; loaded when the first one comes."""
        given = self._encoder
        return load_encoder(given) if isinstance(given, str) else given

    @cached_property
    def plain_words(self) -> PlainWords:
        """What says again, in plain sentences, what was understood of a description."""
        return PlainWords(self.encoder)

    @overload
    def generate_lora_adapters(
        self,
        text: str | None = None,
        audio_features: Clip | None = None,
        strength: float | None = None,
    ) -> Voice: ...

    @overload
    def generate_lora_adapters(
        self,
        text: Sequence[str],
        audio_features: Clip | None = None,
        strength: float | None = None,
    ) -> list[Voice]: ...

    def generate_lora_adapters(
        self,
        text: str | Sequence[str] | None = None,
        audio_features: Clip | None = None,
        strength: float | None = None,
    ) -> Voice | list[Voice]:
        """A voice, or a list of them for a list of descriptions, made in one pass.

        ``audio_features`` is a clip of the voice (for all descriptions, where there are several).
        ``strength`` scales how far a voice is from the neutral one, 0 being neutral; without one
        it is 1 for a clip, and for words alone what the hypernetwork's maker found best.

        Raises:
            VoiceError: if there is neither text nor clip, or the strength is not in [0, 4].
            DescriptionError: if a description holds no word.
            ClipError, AudioError: if the clip is too short, silent or damaged.
        """
        if strength is None:
            strength = self.strength if audio_features is None else 1.0
        if not 0.0 <= strength <= MOST_STRENGTH:
            raise VoiceError(f"strength must be from 0 to {MOST_STRENGTH:g}, not {strength}")
        many = text is not None and not isinstance(text, str)
        texts = [text] if isinstance(text, str) else list(text or ())
        if not texts and (many or audio_features is None):
            raise VoiceError("a voice needs a description or a clip: give at least one of them")
        heard = given(audio_features, self.network.config.clip)
        with single_threaded_blas() if len(shares(len(texts))) > 1 else nullcontext():
            voices = self._voices(texts, heard, strength)
        return voices if many else voices[0]

    def shared_voice(self) -> Voice:
        """The one voice that is made of nothing: the control for all that are made of something."""
        made = self.network.of_nothing()
        return self._voice(made, 0, Description(text="", said=""), self.origin, 1.0, ())

    def blend(self, parts: Sequence[tuple[Voice, float]]) -> Voice:
        """A voice whose difference from the neutral one is the weighted sum of the parts'.

        Ranks add up: :meth:`Voice.resized` makes the result small again.

        Raises:
            VoiceError: if there are no parts, or one is of another hypernetwork's base.
        """
        if not parts:
            raise VoiceError("there is nothing to blend: give at least one voice and its weight")
        first = parts[0][0]
        for voice, weight in parts:
            if not np.isfinite(weight):
                raise VoiceError(f"the weight of a voice must be a number, not {weight}")
            self._check(voice)
        scale = self.network.config.hypernet.lora.scale
        adapters = {
            kind: Factors(
                np.concatenate([voice.adapters[kind].a for voice, _ in parts], axis=1),
                np.concatenate(
                    [voice.adapters[kind].b * (w * voice.scale / scale) for voice, w in parts],
                    axis=2,
                ).astype(np.float32),
            )
            for kind in first.adapters
        }
        rank = sum(voice.rank for voice, _ in parts)
        heaviest = max(parts, key=lambda part: part[1])[0]
        told = {
            name: neutral
            + sum(weight * (voice.condition[name] - neutral) for voice, weight in parts)
            if neutral.dtype == np.float32
            else heaviest.condition[name]
            for name, neutral in self.network.neutral.items()
        }
        return replace(
            first,
            adapters=adapters,
            condition={
                name: np.asarray(v, self.network.neutral[name].dtype) for name, v in told.items()
            },
            alpha=scale * rank,
            description=" + ".join(f"{weight:g} x {_called(voice)}" for voice, weight in parts),
            understood={},
            warnings=tuple(dict.fromkeys(w for voice, _ in parts for w in voice.warnings)),
        )

    def _voices(self, texts: Sequence[str], heard: Given, strength: float) -> list[Voice]:
        """The voices of the texts, or that of the clip alone."""
        said, words = [], None
        if texts:
            alone = heard.features is None
            said, words = consider(self.encoder, texts, self.plain_words, guessing=alone)
        rows = max(1, len(said))
        sound = None if heard.features is None else np.repeat(heard.features[None], rows, axis=0)
        made = _strengthened(self.network(words, sound), self.network.neutral, strength)
        origin = replace(self.origin, clip_sha256=heard.sha256)
        return [
            self._voice(made, row, each, origin, strength, heard.warnings)
            for row, each in enumerate(said or [Description(text="", said="")])
        ]

    def _voice(
        self,
        made: Generated,
        row: int,
        said: Description,
        origin: Origin,
        strength: float,
        warnings: Sequence[str],
    ) -> Voice:
        lora = self.network.config.hypernet.lora
        return Voice(
            groups=self.network.groups,
            adapters={kind: Factors(f.a[row], f.b[row]) for kind, f in made.adapters.items()},
            condition={name: np.asarray(value[row]) for name, value in made.told.items()},
            alpha=lora.alpha,
            origin=origin,
            description=said.text,
            strength=strength,
            understood=said.tags,
            warnings=(*said.warnings, *warnings),
        )

    def _check(self, voice: Voice) -> None:
        mine = {group.kind: group.names for group in self.network.groups}
        theirs = {group.kind: group.names for group in voice.groups}
        same = set(voice.condition) == set(self.network.neutral)
        if voice.origin.base_sha256 != self.origin.base_sha256 or mine != theirs or not same:
            raise VoiceError(
                f"the voice {_called(voice)!r} was made for another base or other layers than this "
                "hypernetwork's: blend voices of one hypernetwork"
            )


def _strengthened(made: Generated, neutral: Mapping[str, np.ndarray], strength: float) -> Generated:
    """What was made, as far again from the neutral voice; the adapters are changed in place."""
    scale = np.float32(strength)
    for factors in made.adapters.values():
        np.multiply(factors.b, scale, out=factors.b)
    told = {
        name: neutral[name] + scale * (value - neutral[name]) if value.dtype.kind == "f" else value
        for name, value in made.told.items()
    }
    return Generated(made.adapters, told)


def _called(voice: Voice) -> str:
    return voice.description or "the voice of a clip"
