"""Drift: p-values by channel, their detectors, and joint drift."""
