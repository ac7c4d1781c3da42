"""Training a backbone on seen classes: loop, state, checkpoints, evaluation, metrics."""
