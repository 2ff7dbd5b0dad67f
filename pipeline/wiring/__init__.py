"""Wiring of the parts of the pipeline."""
