"""JSON request and response bodies."""
