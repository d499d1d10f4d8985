"""Score speech: error rates, speaker similarity, predicted opinion, melody and pace.

>>> from voice_data.score import Row, score
>>> score([Row(audio="speech.wav", text="Hello there.")]).save("scores")  # doctest: +SKIP
"""

from __future__ import annotations

from voice_data.score.identity import voice_identity
from voice_data.score.recognition import Recogniser
from voice_data.score.report import Report, Result, Statistic
from voice_data.score.row import Row, ScoreError
from voice_data.score.scorer import score

__all__ = [
    "Recogniser",
    "Report",
    "Result",
    "Row",
    "ScoreError",
    "Statistic",
    "score",
    "voice_identity",
]
