"""Evaluator: metrics of models, and the reader of its results."""
