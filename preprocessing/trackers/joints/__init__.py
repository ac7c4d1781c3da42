"""Joints of each tracker and the one rule that makes a Kinect v2's of them, in any axes."""
