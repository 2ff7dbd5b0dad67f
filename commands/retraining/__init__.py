"""Commands about retraining."""
