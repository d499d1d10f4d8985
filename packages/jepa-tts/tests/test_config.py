"""Configurations: strict about names and values, the same after a round trip."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from jepa_tts.config import SIZES, STRIDE, JepaConfig
from voice_data.mel import MelConfig


def test_round_trip_through_json() -> None:
    config = JepaConfig(width=64, phonemes="ab ˈ", speakers=("anna", "bo"), dropout=0.1)
    assert JepaConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_nested_mel_is_rebuilt() -> None:
    config = JepaConfig.from_dict({"mel": {"hop_length": 240}})
    assert config.mel == MelConfig(hop_length=240)
    assert config.latent_rate == pytest.approx(24_000 / 240 / STRIDE)


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        JepaConfig().width = 3  # type: ignore[misc]


@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_valid_and_divides_evenly(size: str) -> None:
    config = SIZES[size]
    assert config.width % config.heads == 0
    assert (config.width // config.heads) % 2 == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widht": 3}, "unknown key 'widht' in JepaConfig; valid: .*'width'"),
        ({"mel": {"hop": 3}}, "unknown key 'hop' in MelConfig; valid: .*'hop_length'"),
        ({"width": 0}, "JepaConfig.width must be a positive integer, not 0"),
        ({"latent": 24.0}, "JepaConfig.latent must be a positive integer, not 24.0"),
        ({"heads": "4"}, "JepaConfig.heads must be a positive integer, not '4'"),
        ({"width": 250}, r"JepaConfig.width \(250\) must be an even multiple of heads \(4\)"),
        ({"width": 12, "heads": 4}, r"JepaConfig.width \(12\) must be an even multiple"),
        ({"latent": 8}, "JepaConfig.latent must exceed 8 .*, not 8"),
        ({"dropout": 1.0}, r"JepaConfig.dropout must be in \[0, 1\), not 1.0"),
        ({"dropout": -0.1}, r"JepaConfig.dropout must be in \[0, 1\), not -0.1"),
        ({"speakers": ["a", "a"]}, "JepaConfig.speakers holds a name twice: .*'a', 'a'"),
        ({"speakers": "anna"}, "JepaConfig.speakers must be a list of names, not 'anna'"),
    ],
)
def test_impossible_values(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JepaConfig.from_dict(values)
