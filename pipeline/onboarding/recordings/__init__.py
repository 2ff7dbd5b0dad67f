"""Profiles of raw recordings: they are assembled as a run assembles them, and then profiled."""
