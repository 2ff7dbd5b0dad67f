"""Beam on another engine: what is asked of it, checked before anything starts."""
