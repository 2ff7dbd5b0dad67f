"""Beam engine options and their checks before a run starts."""
