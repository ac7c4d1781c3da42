"""``python -m pipeline`` is ``smie-pipe``; torchrun starts it this way."""

from pipeline.cli import main

main()
