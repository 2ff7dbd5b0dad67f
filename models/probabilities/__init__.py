"""Sampling, its correction, calibration, costs and thresholds."""
