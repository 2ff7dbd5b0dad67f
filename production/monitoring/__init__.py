"""Watches what a served model is asked and answers: broken data, drift, performance, alarms."""
