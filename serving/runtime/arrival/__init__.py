"""Arrival of a request before it reaches a model: its thread, and its unpacking."""
