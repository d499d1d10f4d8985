"""``python -m audio_projector`` is the command ``audio-projector``."""

from audio_projector.cli import main

main(prog_name="audio-projector")
