"""Discriminators with the vocos package's interface and next to no weights."""

from __future__ import annotations

from torch import Tensor, nn


class SmallJudge(nn.Module):
    """Two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv1d(1, 4, 15, 4), nn.Conv1d(4, 1, 15, 4)])

    def _judge(self, samples: Tensor) -> list[Tensor]:
        maps = [samples[:, None]]
        for layer in self.layers:
            maps.append(nn.functional.leaky_relu(layer(maps[-1])))
        return maps[1:]

    def forward(self, y: Tensor, y_hat: Tensor) -> tuple[list, list, list, list]:
        real, made = self._judge(y), self._judge(y_hat)
        return [real[-1].flatten(1)], [made[-1].flatten(1)], [real], [made]


def small_judges() -> None:
    """Replace the adversary's discriminators, which have 40 million weights."""
    from jepa_tts.stages import adversary

    def build(judges: adversary.Judges) -> None:
        nn.Module.__init__(judges)
        judges.period, judges.resolution = SmallJudge(), SmallJudge()

    adversary.Judges.__init__ = build
