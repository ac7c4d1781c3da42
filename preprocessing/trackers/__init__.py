"""Files of other body trackers, read and rebuilt as the 25 joints of a Kinect v2."""
