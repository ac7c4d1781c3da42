"""smie-pipe: from raw Kinect v2 recordings to a zero-shot score."""
