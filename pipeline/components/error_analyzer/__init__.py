"""ErrorAnalyzer: the errors of a model and their common factors."""
