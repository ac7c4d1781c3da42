"""Each tracker's file written from known joints, for tests and for ``simulate --as``."""
