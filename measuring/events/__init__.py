"""Measurement of streams by event: recall, false alarms in time, detection delay."""
