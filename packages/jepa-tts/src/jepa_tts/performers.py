"""Who speaks for a checkpoint: the narrator, or the networks in torch once they may have changed.

Letters: D width, I in features, O out features.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import torch

    from jepa_tts.narrator import Narrator
    from jepa_tts.studio import Studio
    from jepa_tts.weights import Change


class Performers:
    """A narrator, if there is one, and a studio, which is opened from its folders when needed."""

    def __init__(
        self,
        studio: Studio | None = None,
        narrator: Narrator | None = None,
        folders: tuple[Path, Path | None] = (Path(), None),
    ) -> None:
        self.narrator, self._studio, self._folders = narrator, studio, folders
        self._changes: list[Change] = []

    @property
    def studio(self) -> Studio:
        """Model and vocoder in torch, with all that was added to their weights."""
        if self._studio is None:
            from jepa_tts.studio import Studio

            self._studio = Studio.open(*self._folders)
            self._studio.add(self._changes)
        return self._studio

    def retire_narrator(self) -> Studio:
        """The studio, which speaks from now on, because its networks may be changed."""
        self.narrator = None
        return self.studio

    @property
    def device(self) -> torch.device:
        """Where they work."""
        import torch

        return torch.device("cpu") if self.narrator else self.studio.device

    def named(self, index: int) -> np.ndarray:
        """The vector [D] of a named voice."""
        if self.narrator:
            return self.narrator.weights.tensors["voices.table.weight"][index]
        return self.studio.model.voices.table.weight[index].detach().cpu().numpy()

    def add(self, changes: Iterable[Change]) -> None:
        """Add to the weights [O, I] of linear layers, wherever they are.

        Raises:
            ValueError: naming a layer that the model lacks, or the shape; nothing is changed.
        """
        changes = list(changes)
        if (old := self.narrator) is not None:
            weights = old.weights.plus(changes)
            self.narrator = type(old)(weights, precision=old.precision, threads=old.threads)
        if self._studio is not None:
            self._studio.add(changes)
        else:
            self._changes += changes
