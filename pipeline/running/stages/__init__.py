"""Stages of a run before and after its steps, whether they share a process or not."""
