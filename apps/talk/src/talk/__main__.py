"""``python -m talk`` is the command ``talk``."""

from talk.cli import main

main(prog_name="talk")
