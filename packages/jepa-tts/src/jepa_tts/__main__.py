"""``python -m jepa_tts`` is the command ``jepa-tts``."""

from jepa_tts.cli import main

main(prog_name="jepa-tts")
