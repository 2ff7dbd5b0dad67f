"""ModelReport: how good a model is, blessed or not, on one page."""
