"""Files that `predict` reads and writes."""
