from __future__ import annotations

import pytest
import torch

from voice_hypernet.config import FUSIONS
from voice_hypernet.fusion import Conditioner


@pytest.mark.parametrize("fusion", FUSIONS)
def test_either_input_may_be_missing(fusion: str) -> None:
    torch.manual_seed(0)
    join = Conditioner(16, text=16, clip=10, fusion=fusion)  # pyright: ignore
    text, clip = torch.randn(3, 16), torch.randn(3, 10)
    both, words, sound = join(text, clip), join(text, None), join(None, clip)
    assert both.shape == words.shape == sound.shape == (3, 16)
    assert not torch.allclose(both, words, atol=1e-3)
    assert not torch.allclose(both, sound, atol=1e-3)
    with pytest.raises(ValueError, match="needs a description or a clip"):
        join(None, None)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_masked_rows_are_the_missing_ones(fusion: str) -> None:
    torch.manual_seed(0)
    join = Conditioner(16, text=16, clip=10, fusion=fusion)  # pyright: ignore
    text, clip = torch.randn(3, 16), torch.randn(3, 10)
    mixed = join(text, clip, torch.tensor([True, True, False]), torch.tensor([True, False, True]))
    torch.testing.assert_close(mixed[0], join(text, clip)[0])
    torch.testing.assert_close(mixed[1], join(text, None)[1])
    torch.testing.assert_close(mixed[2], join(None, clip)[2])


def test_an_unknown_fusion_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"fusion must be one of \['concat'.*not 'sum'"):
        Conditioner(16, text=16, clip=10, fusion="sum")  # pyright: ignore
