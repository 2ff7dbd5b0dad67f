"""AnomalyGate: stops a run whose data do not match the schema."""
