"""Rollouts: a new model takes over from the served one in steps, or not at all."""
