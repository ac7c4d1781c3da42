"""Kinematic features: what can be measured on a clip without any training."""
