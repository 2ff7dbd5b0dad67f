"""The reference of a served version: its training data, and what its gate measured."""
