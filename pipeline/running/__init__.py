"""Pipeline runs: steps, progress, cache reasons, summary."""
