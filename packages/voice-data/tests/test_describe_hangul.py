"""Korean endings against forms from the dictionary."""

from __future__ import annotations

import pytest

from voice_data.describe.hangul import (
    adnominal,
    adverbial,
    connective,
    formal,
    forms,
    infinitive,
    with_particle,
)

# dictionary form: before a noun, connective, adverbial, formal, infinitive
FORMS = {
    "낮다": ("낮은", "낮고", "낮게", "낮습니다", "낮아"),
    "넓다": ("넓은", "넓고", "넓게", "넓습니다", "넓어"),
    "느리다": ("느린", "느리고", "느리게", "느립니다", "느려"),
    "차분하다": ("차분한", "차분하고", "차분하게", "차분합니다", "차분해"),
    "빠르다": ("빠른", "빠르고", "빠르게", "빠릅니다", "빨라"),
    "어둡다": ("어두운", "어둡고", "어둡게", "어둡습니다", "어두워"),
    "좁다": ("좁은", "좁고", "좁게", "좁습니다", "좁아"),
    "거칠다": ("거친", "거칠고", "거칠게", "거칩니다", "거칠어"),
    "크다": ("큰", "크고", "크게", "큽니다", "커"),
    "있다": ("있는", "있고", "있게", "있습니다", "있어"),
    "활기차다": ("활기찬", "활기차고", "활기차게", "활기찹니다", "활기차"),
    "저음이다": ("저음인", "저음이고", "저음이게", "저음입니다", "저음이에"),
    "정도이다": ("정도인", "정도이고", "정도이게", "정도입니다", "정도예"),
}


@pytest.mark.parametrize("word", FORMS)
def test_conjugation(word: str) -> None:
    found = tuple(f(word) for f in (adnominal, connective, adverbial, formal, infinitive))
    assert found == FORMS[word]
    assert set(found) <= set(forms(word))


@pytest.mark.parametrize(
    ("noun", "particle", "expected"),
    [
        ("남자", "은", "남자는"), ("여성", "은", "여성은"), ("목소리", "으로", "목소리로"),
        ("말", "으로", "말로"), ("음색", "으로", "음색으로"), ("음", "과", "음과"),
        ("말투", "과", "말투와"), ("목소리", "이에요", "목소리예요"), ("음성", "이다", "음성이다"),
        ("목소리", "이다", "목소리다"), ("음성", "이면", "음성이면"), ("말투", "을", "말투를"),
    ],
)  # fmt: skip
def test_particles(noun: str, particle: str, expected: str) -> None:
    assert with_particle(noun, particle) == expected
