"""ErrorAnalyzer: which examples the model gets wrong, and what they share."""
