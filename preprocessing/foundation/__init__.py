"""What every floor stands on: errors, progress bars, whole-file writes, digests, processes."""
