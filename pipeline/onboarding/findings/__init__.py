"""Conclusions of `init` from a profile: kinds, identifiers, leaks, splits."""
