from __future__ import annotations

from typing import Any

import pytest

from voice_data.consent import ConsentError, Terms, combined, licence_named, objections, require
from voice_data.manifest import Utterance


def clip(name: str = "a", **fields: Any) -> Utterance:
    return Utterance(id=name, audio=f"{name}.wav", text="Hi.", **fields)


@pytest.mark.parametrize(
    ("name", "spdx", "commercial", "derivatives"),
    [
        ("CC0", "CC0-1.0", True, True),
        ("cc0-1.0", "CC0-1.0", True, True),
        ("Public Domain", "LicenseRef-public-domain", True, True),
        ("CC BY 4.0", "CC-BY-4.0", True, True),
        ("cc-by-sa-3.0", "CC-BY-SA-3.0", True, True),
        ("CC BY-NC-ND 4.0", "CC-BY-NC-ND-4.0", False, False),
        ("Apache-2.0", "Apache-2.0", True, True),
        ("mit", "MIT", True, True),
        (" My own ", "My own", False, False),
    ],
)
def test_licences_by_their_usual_names(
    name: str, spdx: str, commercial: bool, derivatives: bool
) -> None:
    licence = licence_named(name)
    assert (licence.spdx, licence.commercial, licence.derivatives) == (
        spdx,
        commercial,
        derivatives,
    )
    assert licence.known == (spdx != "My own")


def test_share_alike_and_attribution() -> None:
    assert licence_named("CC-BY-SA-4.0").share_alike
    assert licence_named("CC-BY-4.0").attribution
    assert not licence_named("CC0").attribution


def test_a_model_gets_all_licences_and_the_weakest_consent() -> None:
    clips = [
        clip("a", licence="MIT", consent="self"),
        clip("b", licence="CC0", consent="public"),
        clip("c", licence="mit", consent="synthetic"),
    ]
    assert combined(clips) == Terms(licence="CC0-1.0 AND MIT", consent="public")
    assert combined([*clips, clip("d")]) == Terms(licence="", consent="")
    assert combined([]) == Terms(licence="", consent="")


@pytest.mark.parametrize(
    ("fields", "use", "reason"),
    [
        ({"licence": "MIT"}, "train", "nobody knows whether the speaker agrees (to train)"),
        ({"licence": "MIT", "consent": "refused"}, "train", "the speaker refused (to train)"),
        ({"consent": "self"}, "train", "it has no licence"),
        ({"licence": "X", "consent": "self"}, "train", "the licence 'X' is not known: name it"),
        ({"licence": "CC BY-ND", "consent": "self"}, "share", "CC-BY-ND-4.0 forbids derived works"),
        ({"licence": "CC BY-NC", "consent": "self"}, "sell", "forbids commercial use"),
        ({"licence": "CC0", "consent": "public"}, "sell", "consent 'public' is too weak (to sell)"),
    ],
)
def test_objections(fields: dict[str, Any], use: Any, reason: str) -> None:
    (found,) = objections(clip(**fields), use)
    assert reason in found


@pytest.mark.parametrize(
    ("fields", "use"),
    [
        ({"licence": "CC BY-NC-ND", "consent": "public"}, "train"),
        ({"licence": "CC BY-NC", "consent": "public"}, "share"),
        ({"licence": "CC0", "consent": "synthetic"}, "sell"),
    ],
)
def test_no_objection(fields: dict[str, Any], use: Any) -> None:
    assert objections(clip(**fields), use) == []


def test_requirement_names_reasons_clips_and_remedy() -> None:
    good = clip("good", licence="MIT", consent="self")
    with pytest.raises(
        ConsentError, match=r"used to share: .*agrees .*\(2 clips, first 'b'\).*Fill in the fields"
    ):
        require([good, clip("b", licence="MIT"), clip("c", licence="MIT")], "share")
    assert require([good], "sell") == Terms(licence="MIT", consent="self")


def test_unknown_words_are_refused() -> None:
    with pytest.raises(ConsentError, match="unknown consent 'yes': use one of refused, public"):
        combined([clip(consent="yes")])
    with pytest.raises(ConsentError, match="unknown use 'rent': use one of train, share, sell"):
        objections(clip(), "rent")  # type: ignore[arg-type]
