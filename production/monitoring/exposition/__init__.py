"""Metrics of gateway, rollouts, monitor and retraining for Prometheus, read from their files."""
