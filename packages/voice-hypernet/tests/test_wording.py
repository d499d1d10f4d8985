from __future__ import annotations

import random
import re
import unicodedata

import pytest

from voice_data.describe.tags import values_of
from voice_hypernet import cast_en, cast_ko, people_en, people_ko
from voice_hypernet.understanding import ATTRIBUTES, CLASH
from voice_hypernet.wording import free, phrases, slipped, typo, vocabulary, worded


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_value_has_words_and_no_phrase_has_two_values(language: str) -> None:
    found = phrases(language)
    meanings: dict[str, set[str]] = {}
    for (name, value), pairs in found.items():
        assert value in values_of(name)
        for _, phrase in pairs:
            assert phrase == phrase.strip() != ""
            meanings.setdefault(phrase, set()).add(f"{name}={value}")
    assert {name for name, _ in found} == set(ATTRIBUTES) - {"gender", "age"}
    assert all((name, value) in found for name, _ in found for value in values_of(name))
    assert [phrase for phrase, said in meanings.items() if len(said) > 1] == []


@pytest.mark.parametrize("heads", [people_en.HEADS, people_ko.HEADS])
def test_people_of_one_sex_are_not_of_the_other(heads: dict[tuple[str, str], str]) -> None:
    assert set(heads) == {
        (sex, age)
        for sex in ("", "male", "female")
        for age in ("", "child", "young", "middle-aged", "elderly")
    }
    nouns = {
        sex: {n for (s, _), text in heads.items() for n in text.split("|") if s == sex}
        for sex in ("", "male", "female")
    }
    assert not nouns["male"] & nouns["female"]
    assert not nouns[""] & (nouns["male"] | nouns["female"])


@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_is_said_is_in_the_text(language: str) -> None:
    rng, seen = random.Random(0), 0
    for _ in range(40):
        made = free(rng, language, {"rate": "very slow"})
        if made.labels["rate"] != "very slow":
            continue
        stems = [phrase.removesuffix("다") for _, phrase in phrases(language)["rate", "very slow"]]
        letters = unicodedata.normalize("NFD", made.text).lower()
        seen += any(unicodedata.normalize("NFD", stem).lower()[:-1] in letters for stem in stems)
    assert seen >= 24  # slips of the keyboard and Korean endings hide some


def test_equal_seeds_word_alike_and_labels_are_values() -> None:
    made = [worded(random.Random(seed), "en") for seed in range(300)]
    assert made == [worded(random.Random(seed), "en") for seed in range(300)]
    assert len({each.text for each in made}) > 280
    for name, value in (item for each in made for item in each.labels.items()):
        assert value.removeprefix(f"{CLASH}:") in values_of(name)
    clashes = [v for each in made for v in each.labels.values() if v.startswith(CLASH)]
    assert clashes


def test_typos_are_of_letters_and_of_parts_of_syllables() -> None:
    rng = random.Random(0)
    slips = {typo(rng, "raspy") for _ in range(60)}
    assert "raspy" not in slips or len(slips) > 5
    assert all(4 <= len(slip) <= 6 for slip in slips)
    korean = {typo(rng, "차분한") for _ in range(60)}
    assert len(korean) > 5
    assert typo(rng, "man") == "man"
    assert slipped(random.Random(3), "deep man", "en").lower().startswith("d")


def test_the_vocabulary_holds_people_phrases_and_fillers() -> None:
    assert {
        "man",
        "a mile a minute",
        "reading the news",
        "friendly",
        "grandson",
        "tortoise",
    } <= vocabulary("en")
    assert {"남자", "또박또박 천천히", "친절하다", "뉴스를 읽는", "훈장님", "거북이"} <= vocabulary(
        "ko"
    )


@pytest.mark.parametrize("figures", [cast_en.FIGURES, cast_ko.FIGURES])
def test_figures_have_values_of_tags_and_one_sex(figures: dict[str, str]) -> None:
    sexes: dict[str, set[str]] = {}
    for said, names in figures.items():
        tags = dict(re.findall(r"(\w+)=(.+?)(?= \w+=|$)", said))
        assert {"gender"} < set(tags)
        assert all(value in values_of(name) for name, value in tags.items())
        for name in names.split("|"):
            assert name == name.strip() != ""
            sexes.setdefault(name, set()).add(tags["gender"])
    assert [name for name, found in sexes.items() if len(found) > 1] == []


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_figure_stands_only_for_what_the_labels_say(language: str) -> None:
    figures = (cast_ko if language == "ko" else cast_en).FIGURES
    low = figures["gender=male pitch=low"].split("|")
    other = figures["gender=female pitch=high"].split("|")
    labels = {"gender": "male", "pitch": "low"}
    made = [free(random.Random(seed), language, labels) for seed in range(120)]
    assert all(each.labels["gender"] == "male" for each in made)
    texts = " ".join(each.text.lower() for each in made)
    assert sum(name.lower() in texts for name in low) >= 5
    assert not any(f" {name.lower()} " in texts for name in other)
