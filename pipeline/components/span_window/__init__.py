"""The window: several accepted spans that are trained on together."""
