"""A new span of the training data, made from recorded requests and their labels."""
