"""Gradient-boosted trees: their inputs, their training, and their predictions in a graph."""
