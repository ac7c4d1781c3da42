"""Generalised zero-shot recognition: calibrated stacking and SynSE's gate."""
