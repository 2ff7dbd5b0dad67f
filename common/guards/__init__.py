"""What a run is protected by: digests of artifacts, redaction of secrets, one way to stop."""
