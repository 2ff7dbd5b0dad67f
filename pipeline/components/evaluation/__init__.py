"""What the Evaluator measures, and how its results are read."""
