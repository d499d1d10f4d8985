"""``python -m clone``."""

from clone.cli import main

main()
