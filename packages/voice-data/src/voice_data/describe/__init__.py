"""Describe voices: measures, tags with published edges, and sentences in English and Korean.

>>> from voice_data.describe import Tags, parse, sentences
>>> said = sentences(Tags(gender="male", relative_pitch="low", rate="slow"), "en", 1, seed=0)[0]
>>> parse(said.text).tags == said.tags
True
"""

from __future__ import annotations

from voice_data.describe.measures import Measures, measure
from voice_data.describe.parser import Parsed, parse
from voice_data.describe.sentence import Description, sentences
from voice_data.describe.tags import Tags, tag

__all__ = ["Description", "Measures", "Parsed", "Tags", "measure", "parse", "sentences", "tag"]
