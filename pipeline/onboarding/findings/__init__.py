"""What `init` concludes from a profile: kinds, identifiers, leaks, splits."""
