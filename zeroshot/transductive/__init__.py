"""Scores that look at all test clips together: a setting of its own."""
