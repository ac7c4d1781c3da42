"""The raw layouts that are read, one file each behind one interface, and their registry."""
