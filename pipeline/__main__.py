"""``python -m smie_pipe`` is ``smie-pipe``; torchrun starts it this way."""

from smie_pipe.cli import main

main()
