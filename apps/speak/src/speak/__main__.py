"""``python -m speak`` is the command ``speak``."""

from speak.cli import main

main(prog_name="speak")
