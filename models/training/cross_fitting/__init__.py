"""Cross-fitting: each example of train and eval is predicted by a model that did not see it."""
