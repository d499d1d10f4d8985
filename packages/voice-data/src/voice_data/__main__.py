"""`python -m voice_data` is the command `voice-data`."""

from __future__ import annotations

from voice_data.cli import main

if __name__ == "__main__":
    main(prog_name="voice-data")
