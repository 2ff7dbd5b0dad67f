"""Explanations of a model's predictions, for one example and overall."""
