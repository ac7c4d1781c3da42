"""The command line ``smie-pipe``: stages, the run folder and its provenance."""
