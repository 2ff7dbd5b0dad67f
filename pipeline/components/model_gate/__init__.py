"""ModelGate: the decision whether a model is good enough to serve."""
