"""One module a source family: from a file's bytes to a `TrackedRecording`, nothing mended."""
