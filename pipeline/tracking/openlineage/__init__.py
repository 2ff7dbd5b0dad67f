"""OpenLineage events of a run, its steps, its data and its model, by the official client."""
