"""The cache of predicted mels lies on the true timing, beside the true mels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner

from jepa_tts.checkpoint import load_model
from jepa_tts.cli import main
from jepa_tts.corpus import Corpus
from jepa_tts.forced import forced_cache


def test_every_row_stands_there_twice(training_cache: Path, start: Path, tmp_path: Path) -> None:
    source = Corpus(training_cache)
    model = load_model(start).eval()
    count = forced_cache(model, source, tmp_path / "forced", batch=2)
    made = Corpus(tmp_path / "forced")
    by_id = {row.id: index for index, row in enumerate(made.rows)}
    named = [r for r in source.rows if r.speaker in model.config.speakers]
    assert count == len(made.rows) == 2 * len(named) > 0
    for index, row in enumerate(source.rows):
        true, forced = (made.mel_of(by_id[row.id + suffix]).numpy() for suffix in ("", "+forced"))
        assert np.array_equal(true, source.mel_of(index).numpy())
        assert forced.shape == true.shape
        assert not np.allclose(forced, true)
        pitch = source.pitch[row.start : row.start + row.frames]
        for suffix in ("", "+forced"):
            copy = made.rows[by_id[row.id + suffix]]
            assert np.array_equal(made.pitch[copy.start : copy.start + copy.frames], pitch)
            assert (copy.audio, copy.text, copy.split) == (row.audio, row.text, row.split)


def test_the_command_is_repeatable(training_cache: Path, start: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        words = ["force", str(training_cache), str(tmp_path / name), "--checkpoint", str(start)]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        assert "half of them predicted" in result.output
    first, second = ((tmp_path / name / "mel.f16").read_bytes() for name in ("a", "b"))
    assert first == second
