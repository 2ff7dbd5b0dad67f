"""Guards of a run: digests of artifacts, redaction of secrets, one way to stop."""
