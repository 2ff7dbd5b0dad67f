"""Formulas of monitoring: drift, alarms within a budget, performance with and without labels."""
