"""Comparison of two runs: their differences, and their models on the same test examples."""
