"""Features of whole and masked clips, and features.h5."""
