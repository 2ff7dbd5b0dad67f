"""What simulated production showed: scorecard and chart."""
