"""The connection models, one file each, behind one interface."""
