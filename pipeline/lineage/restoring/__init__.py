"""Restoring of a run: its versioned data, the origin of its code and config, the commands."""
