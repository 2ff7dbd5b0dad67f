"""Faultline's own TFX components, each a thin shell over pure functions."""
