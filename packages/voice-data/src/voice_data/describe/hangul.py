"""Korean endings: particles after a noun, and predicates conjugated from the dictionary form."""

from __future__ import annotations

_FIRST, _FINALS, _VOWELS = 0xAC00, 28, 21
_N, _L, _B, _SS = 4, 8, 17, 20  # final consonants: n, l, b and the double s of the past
_A, _AE, _YA, _EO, _E, _YEO, _O, _WA, _U, _WO, _EU, _I = 0, 1, 2, 4, 5, 6, 8, 9, 13, 14, 18, 20
_CONTRACTED = {_A: _A, _AE: _AE, _EO: _EO, _E: _E, _YEO: _YEO, _O: _WA, _U: _WO, _I: _YEO}
_PARTICLES = {
    "이": ("이", "가"), "은": ("은", "는"), "을": ("을", "를"), "과": ("과", "와"),
    "이다": ("이다", "다"), "입니다": ("입니다", "입니다"), "이에요": ("이에요", "예요"),
    "이면": ("이면", "면"),
}  # fmt: skip
_REGULAR_B = ("좁", "넓", "잡", "입")  # end in b and keep it before a vowel


def with_particle(noun: str, particle: str) -> str:
    """The noun with a particle in the form that its last sound asks for.

    ``particle`` is the form after a consonant: 이, 은, 을, 과, 으로, 이다, 입니다, 이에요, 이면.

    >>> with_particle("남자", "은"), with_particle("목소리", "으로"), with_particle("음색", "을")
    ('남자는', '목소리로', '음색을')
    """
    final = _final(noun[-1])
    if particle == "으로":
        return noun + ("로" if final in (0, _L) else "으로")
    closed, opened = _PARTICLES[particle]
    return noun + (closed if final else opened)


def adnominal(predicate: str) -> str:
    """Before a noun: 낮다 낮은, 느리다 느린, 어둡다 어두운, 있다 있는.

    >>> [adnominal(word) for word in ("낮다", "말이 빠르다", "어둡다", "거칠다", "있다")]
    ['낮은', '말이 빠른', '어두운', '거친', '있는']
    """
    stem = _stem(predicate)
    if stem[-1] in "있없":
        return stem + "는"
    return _joined(_before_vowel(stem), _N, "은")


def connective(predicate: str) -> str:
    """Before another predicate: 낮고."""
    return _stem(predicate) + "고"


def adverbial(predicate: str) -> str:
    """Before a verb: 낮게."""
    return _stem(predicate) + "게"


def formal(predicate: str) -> str:
    """At the end of a polite, formal sentence.

    >>> [formal(word) for word in ("낮다", "느리다", "거칠다", "어둡다")]
    ['낮습니다', '느립니다', '거칩니다', '어둡습니다']
    """
    stem = _stem(predicate)
    if _final(stem[-1]) in (0, _L):
        return _with_final(stem, _B) + "니다"
    return stem + "습니다"


def infinitive(predicate: str) -> str:
    """Before 요: 낮아, 느려, 차분해, 빨라, 어두워.

    >>> [infinitive(word) for word in ("낮다", "느리다", "차분하다", "빠르다", "어둡다", "크다")]
    ['낮아', '느려', '차분해', '빨라', '어두워', '커']
    """
    stem = _stem(predicate)
    if stem[-1] == "하":
        return stem[:-1] + "해"
    if stem[-1] == "이":  # the copula
        return stem + "에" if _final(stem[-2]) else stem[:-1] + "예"
    if stem[-1] == "르" and len(stem.split()[-1]) > 1:
        open_vowel = _vowel(stem[-2]) in (_A, _O)
        return _with_final(stem[:-1], _L) + ("라" if open_vowel else "러")
    if _is_b_irregular(stem):
        return _with_final(stem, 0) + "워"
    if _final(stem[-1]):
        return stem + ("아" if _vowel(stem[-1]) in (_A, _YA, _O) else "어")
    return _contracted(stem)


def forms(predicate: str) -> tuple[str, ...]:
    """What a reader may meet of a predicate; one that ends in ``~`` goes on in any way."""
    stem, before, final = _stem(predicate), adnominal(predicate), infinitive(predicate)
    soft = _before_vowel(stem)
    wish = soft if not _final(soft[-1]) or _final(soft[-1]) == _L else soft + "으"
    return (
        predicate, before, f"{before}데", connective(predicate), f"{stem}지~", f"{stem}지만",
        adverbial(predicate), formal(predicate), final, f"{final}요", f"{final}서",
        _with_final(final, _SS) + "~", f"{wish}면~", f"{wish}며~",
    )  # fmt: skip


def _stem(predicate: str) -> str:
    return predicate.removesuffix("다")


def _before_vowel(stem: str) -> str:
    """The stem as it is before an ending with 으; of ㅂ-irregular ones the consonant has gone."""
    if _is_b_irregular(stem):
        return _with_final(stem, 0) + "우"
    return stem


def _is_b_irregular(stem: str) -> bool:
    return _final(stem[-1]) == _B and stem[-1] not in _REGULAR_B


def _joined(stem: str, consonant: int, syllable: str) -> str:
    """``stem`` with an ending that is a consonant after a vowel or l, else a syllable."""
    return _with_final(stem, consonant) if _final(stem[-1]) in (0, _L) else stem + syllable


def _contracted(stem: str) -> str:
    """Stem and 아 or 어 in one syllable."""
    code = ord(stem[-1]) - _FIRST
    vowel = (code // _FINALS) % _VOWELS
    if vowel == _EU:
        earlier = stem[-2] if len(stem) > 1 and stem[-2] != " " else ""
        new = _A if earlier and _vowel(earlier) in (_A, _O) else _EO
    elif vowel in _CONTRACTED:
        new = _CONTRACTED[vowel]
    else:
        return stem + "어"
    return stem[:-1] + chr(_FIRST + code + (new - vowel) * _FINALS)


def _final(syllable: str) -> int:
    return (ord(syllable) - _FIRST) % _FINALS


def _vowel(syllable: str) -> int:
    return ((ord(syllable) - _FIRST) // _FINALS) % _VOWELS


def _with_final(text: str, consonant: int) -> str:
    last = ord(text[-1]) - _final(text[-1]) + consonant
    return text[:-1] + chr(last)
