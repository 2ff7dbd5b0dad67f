"""Troubles of the recorded data, and the quarantine of broken chunks."""
