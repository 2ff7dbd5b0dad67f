"""Checks of a machine and an environment."""
