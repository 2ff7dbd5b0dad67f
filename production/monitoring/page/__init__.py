"""The page of a model in production: figures, alarms, rollouts and retrainings over time."""
