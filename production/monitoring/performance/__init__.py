"""Performance of the served model: estimated, measured with labels, and operations."""
