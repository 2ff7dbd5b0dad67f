"""DataReport: an exploratory page about the data, written before training."""
