"""A simulated Kinect v2: people who act out named classes, written as raw files."""
