"""Pages to look at: a skeleton player, a run's report, a live view; each one HTML file."""
