"""The reference of the monitor: the training data of a served version, and what its gate measured."""
