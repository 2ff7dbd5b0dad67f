"""Running the pipeline: steps, progress, cache reasons, summary."""
