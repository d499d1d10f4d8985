"""Korean words for who is speaking, by sex and age, and what the parser must not mistake."""

from __future__ import annotations

from voice_data.describe.words import Lexicon, Words

HEADS: dict[tuple[str, str], str] = {
    ("", ""): "사람|화자|낭독자|말하는 이",
    ("male", ""): "남자|남성|남성 화자|남자 화자",
    ("female", ""): "여자|여성|여성 화자|여자 화자",
    ("", "child"): "아이|어린이|어린아이|어린 화자",
    ("male", "child"): "소년|남자아이|남자 어린이",
    ("female", "child"): "소녀|여자아이|여자 어린이",
    ("", "young"): "젊은 사람|젊은이|젊은 화자",
    ("male", "young"): "젊은 남자|젊은 남성|청년 남성|젊은 남성 화자",
    ("female", "young"): "젊은 여자|젊은 여성|청년 여성|젊은 여성 화자",
    ("", "middle-aged"): "중년의 사람|중년 화자|중년의 화자",
    ("male", "middle-aged"): "중년 남자|중년 남성|중년의 남성|중년 남성 화자",
    ("female", "middle-aged"): "중년 여자|중년 여성|중년의 여성|중년 여성 화자",
    ("", "elderly"): "노인|나이 든 사람|나이 지긋한 사람|어르신",
    ("male", "elderly"): "나이 든 남자|노년의 남성|나이 지긋한 남성|할아버지",
    ("female", "elderly"): "나이 든 여자|노년의 여성|나이 지긋한 여성|할머니",
}
NOUNS: Lexicon = {
    "gender": {
        "male": Words(
            voice="남자|남성|남성적이다|남자답다",
            heard="남|소년|남자아이|할아버지|아저씨|아버지|오빠|신사|사나이|사내|남자애|남학생",
        ),
        "female": Words(
            voice="여자|여성|여성적이다|여성스럽다",
            heard="여|소녀|여자아이|할머니|아주머니|아줌마|어머니|언니|숙녀|아가씨|여자애|여학생",
        ),
    },
    "age": {
        "child": Words(
            voice="어린|아이|어린이",
            heard="어린아이|소년|소녀|남자아이|여자아이|꼬마|아동|어리다|유아|남자애|여자애"
            "|아이 같다",
        ),
        "young": Words(
            voice="젊다|젊은이|청년", heard="이십 대|20대|십 대|10대|30대|삼십 대|아가씨"
        ),
        "middle-aged": Words(
            voice="중년", heard="40대|50대|사십 대|오십 대|아저씨|아주머니|아줌마|장년"
        ),
        "elderly": Words(
            voice="노인|나이 들다|나이 든|나이 지긋하다|노년",
            heard="할아버지|할머니|늙다|늙은|어르신|60대|70대|80대|나이가 많다|나이 많다|노년층"
            "|고령",
        ),
    },
}
"""``NOUNS`` is what the parser understands of sex and age; a word may stand in both."""
STOP = "고음질|저음질|높낮이|낮은 잡음|큰 도움|크게 상관|어린이집|배경음|높임말|낮춤말"
"""Phrases that contain a tag's word and mean something else."""
