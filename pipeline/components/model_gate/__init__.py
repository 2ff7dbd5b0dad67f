"""ModelGate: which model is good enough to be served."""
