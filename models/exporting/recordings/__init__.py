"""Whole recordings in the exported graph: windows, their past, scores and alarms."""
