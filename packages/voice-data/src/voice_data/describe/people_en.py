"""English words for who is speaking, by sex and age, and what the parser must not mistake."""

from __future__ import annotations

from voice_data.describe.words import Lexicon, Words

HEADS: dict[tuple[str, str], str] = {
    ("", ""): "person|speaker|narrator|talker",
    ("male", ""): "man|male speaker|guy|gentleman|male narrator|fellow",
    ("female", ""): "woman|female speaker|lady|female narrator",
    ("", "child"): "child|kid|young child|child speaker",
    ("male", "child"): "boy|little boy|young boy",
    ("female", "child"): "girl|little girl|young girl",
    ("", "young"): "young person|young adult|young speaker|youthful speaker",
    ("male", "young"): "young man|young guy|young male speaker|youthful man",
    ("female", "young"): "young woman|young lady|young female speaker|youthful woman",
    ("", "middle-aged"): "middle-aged person|middle-aged speaker|mature speaker",
    ("male", "middle-aged"): "middle-aged man|mature man|middle-aged gentleman",
    ("female", "middle-aged"): "middle-aged woman|mature woman|middle-aged lady",
    ("", "elderly"): "elderly person|elderly speaker|old person|senior",
    ("male", "elderly"): "elderly man|old man|elderly gentleman|aged man",
    ("female", "elderly"): "elderly woman|old woman|elderly lady|aged woman",
}
VOICES: dict[tuple[str, str], str] = {
    ("", ""): "voice|speaking voice",
    ("male", ""): "male voice|man's voice|masculine voice",
    ("female", ""): "female voice|woman's voice|feminine voice",
    ("", "child"): "child's voice|childlike voice",
    ("male", "child"): "boy's voice",
    ("female", "child"): "girl's voice",
    ("", "young"): "young voice|youthful voice|young adult voice",
    ("male", "young"): "young male voice|young man's voice|youthful male voice",
    ("female", "young"): "young female voice|young woman's voice|youthful female voice",
    ("", "middle-aged"): "middle-aged voice|mature voice",
    ("male", "middle-aged"): "middle-aged male voice|middle-aged man's voice|mature male voice",
    ("female", "middle-aged"): "middle-aged female voice|mature female voice|mature woman's voice",
    ("", "elderly"): "elderly voice|old voice|aged voice",
    ("male", "elderly"): "elderly male voice|old man's voice|elderly man's voice",
    ("female", "elderly"): "elderly female voice|old woman's voice|elderly woman's voice",
}
NOUNS: Lexicon = {
    "gender": {
        "male": Words(
            voice="male|masculine|manly",
            heard="man|men|guy|gentleman|fellow|boy|father|grandfather|dude|mr|he|his|him|man's|boy's"
            "|little boy|young boy|in his twenties|in his forties|in his fifties|in his seventies",
        ),
        "female": Words(
            voice="female|feminine|womanly",
            heard="woman|women|lady|girl|mother|grandmother|mrs|ms|she|her|hers|woman's|girl's"
            "|little girl|young girl|in her twenties|in her forties|in her fifties"
            "|in her seventies",
        ),
    },
    "age": {
        "child": Words(
            voice="child|childlike",
            heard="kid|boy|girl|little boy|little girl|young boy|young girl|young child|children"
            "|childish|toddler|kids|child's|boy's|girl's",
        ),
        "young": Words(
            voice="young|youthful",
            heard="young adult|teenage|teenager|younger|in his twenties|in her twenties",
        ),
        "middle-aged": Words(
            voice="middle-aged|mature",
            heard="adult|in his forties|in her forties|in his fifties|in her fifties",
        ),
        "elderly": Words(
            voice="elderly|old|aged",
            heard="older|senior|grandfather|grandmother|in his seventies|in her seventies",
        ),
    },
}
"""``NOUNS`` is what the parser understands of sex and age; a word may stand in both."""
STOP = (
    "high quality|low quality|high fidelity|low noise|low latency|high resolution|old fashioned"
    "|fast forward|high school|warm up|high energy|level of|as well as"
)
"""Phrases that contain a tag's word and mean something else."""
