"""Requests that the servers recorded: pairs of answers, late labels, and the next span."""
