"""Replays recorded requests: the same row, version and score, and where they came from."""
