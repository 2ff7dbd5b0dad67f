"""Results of simulated production: scorecard and chart."""
