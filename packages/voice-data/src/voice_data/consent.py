"""Whose voice this is, what the licence allows, and what follows for a model made from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from voice_data.manifest import Utterance

Consent = Literal["refused", "", "public", "granted", "self", "synthetic"]
"""The weakest first. ``refused``: the speaker said no. Empty: nobody knows. ``public``: published
under a licence that allows it, the speaker was not asked. ``granted``: the speaker agreed.
``self``: you are the speaker. ``synthetic``: the voice is no person's."""

Use = Literal["train", "share", "sell"]
"""Train for yourself; share the model; use it commercially."""

_ORDER: tuple[str, ...] = get_args(Consent)
_ENOUGH: dict[str, tuple[str, ...]] = {
    "train": ("public", "granted", "self", "synthetic"),
    "share": ("public", "granted", "self", "synthetic"),
    "sell": ("granted", "self", "synthetic"),
}


class ConsentError(ValueError):
    """A use that licence or consent does not cover; the message says which clips and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """What a licence allows; ``spdx`` is its SPDX identifier, or the name as given if it is not
    known."""

    spdx: str
    known: bool = True
    derivatives: bool = True
    commercial: bool = True
    attribution: bool = False
    share_alike: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a set of clips allows together: the licences joined by AND, and the weakest consent."""

    licence: str
    consent: str


def licence_named(name: str) -> Licence:
    """The licence behind a name as data sets write it.

    >>> licence_named("CC BY-NC 4.0").commercial
    False
    >>> licence_named("Our own terms").known
    False
    """
    key = re.sub(r"[^a-z0-9.]+", "-", name.strip().lower()).strip("-")
    if key in _PLAIN:
        return Licence(spdx=_PLAIN[key], attribution=key not in _FREE)
    if match := _CREATIVE_COMMONS.fullmatch(key):
        terms = match["terms"].split("-")
        return Licence(
            spdx=f"CC-{'-'.join(terms).upper()}-{match['version'] or '4.0'}",
            derivatives="nd" not in terms,
            commercial="nc" not in terms,
            attribution=True,
            share_alike="sa" in terms,
        )
    return Licence(spdx=name.strip(), known=False, derivatives=False, commercial=False)


def combined(utterances: Iterable[Utterance]) -> Terms:
    """The terms of a model made from all of these clips, for its provenance record.

    >>> mit = Utterance(id="a", audio="a.wav", text="Hi.", licence="MIT", consent="self")
    >>> free = Utterance(id="b", audio="b.wav", text="Ho.", licence="CC0", consent="synthetic")
    >>> combined([mit, free])
    Terms(licence='CC0-1.0 AND MIT', consent='self')
    """
    utterances = list(utterances)
    licences = sorted({licence_named(item.licence).spdx for item in utterances if item.licence})
    consents = [_checked(item.consent) for item in utterances]
    return Terms(
        licence=" AND ".join(licences) if all(item.licence for item in utterances) else "",
        consent=min(consents, key=_ORDER.index, default=""),
    )


def objections(utterance: Utterance, use: Use) -> list[str]:
    """Why this clip may not be used so, in words; an empty list if it may.

    Raises:
        ConsentError: if the clip's consent or the use is not one of the known words.
    """
    if use not in _ENOUGH:
        raise ConsentError(f"unknown use {use!r}: use one of {', '.join(_ENOUGH)}")
    found: list[str] = []
    consent = _checked(utterance.consent)
    if consent not in _ENOUGH[use]:
        known = {"": "nobody knows whether the speaker agrees", "refused": "the speaker refused"}
        found.append(f"{known.get(consent, f'consent {consent!r} is too weak')} (to {use})")
    licence = licence_named(utterance.licence)
    if not utterance.licence:
        found.append("it has no licence")
    elif not licence.known:
        found.append(f"the licence {licence.spdx!r} is not known: name it by its SPDX identifier")
    elif use != "train" and not licence.derivatives:
        found.append(f"{licence.spdx} forbids derived works (to {use})")
    elif use == "sell" and not licence.commercial:
        found.append(f"{licence.spdx} forbids commercial use")
    return found


def require(utterances: Iterable[Utterance], use: Use) -> Terms:
    """The combined terms, if every clip may be used so.

    Raises:
        ConsentError: naming the reasons, how many clips each concerns, and the first of them.
    """
    utterances = list(utterances)
    reasons: dict[str, list[str]] = {}
    for item in utterances:
        for reason in objections(item, use):
            reasons.setdefault(reason, []).append(item.id)
    if reasons:
        listed = "; ".join(
            f"{reason} ({len(ids)} clips, first {ids[0]!r})" for reason, ids in reasons.items()
        )
        raise ConsentError(
            f"these clips may not be used to {use}: {listed}. Fill in the fields 'licence' "
            f"and 'consent' ({', '.join(word for word in _ORDER if word)}) or leave the clips out"
        )
    return combined(utterances)


_CREATIVE_COMMONS = re.compile(
    r"(?:cc|creative-commons)-(?P<terms>by(?:-nc)?(?:-(?:sa|nd))?)"
    r"(?:-(?P<version>[1-4]\.[05]))?(?:-.*)?"
)
_FREE = ("cc0", "cc0-1.0", "cc-0", "public-domain", "pd", "unlicense")
_PLAIN = {
    **dict.fromkeys(("cc0", "cc0-1.0", "cc-0"), "CC0-1.0"),
    **dict.fromkeys(("public-domain", "pd"), "LicenseRef-public-domain"),
    "unlicense": "Unlicense",
    "mit": "MIT",
    **dict.fromkeys(("apache-2.0", "apache-2", "apache"), "Apache-2.0"),
    **dict.fromkeys(("bsd-3-clause", "bsd"), "BSD-3-Clause"),
    "bsd-2-clause": "BSD-2-Clause",
    "odc-by-1.0": "ODC-By-1.0",
}


def _checked(consent: str) -> str:
    if consent not in _ORDER:
        words = ", ".join(word for word in _ORDER if word)
        raise ConsentError(f"unknown consent {consent!r}: use one of {words}, or leave it empty")
    return consent
