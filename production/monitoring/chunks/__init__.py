"""Chunks: recorded requests of one version, divided by time or by number."""
