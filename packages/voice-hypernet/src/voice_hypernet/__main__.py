"""``python -m voice_hypernet`` is the command ``voice-hypernet``."""

from voice_hypernet.cli import main

if __name__ == "__main__":
    main(prog_name="voice-hypernet")
