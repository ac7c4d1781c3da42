"""From the bodies of raw frames to clips of 50 frames: tracking and the recipe."""
