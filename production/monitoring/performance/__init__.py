"""How well the served model works: estimated without labels, measured with them, and operations."""
