"""DataReport: what the data are like, before anything is trained on them."""
