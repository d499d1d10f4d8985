"""`python -m tts_lora` is the command `tts-lora`."""

from __future__ import annotations

from tts_lora.cli import main

if __name__ == "__main__":
    main(prog_name="tts-lora")
