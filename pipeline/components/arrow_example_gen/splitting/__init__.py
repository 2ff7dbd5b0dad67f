"""Assigning examples to splits: stratified, by group, by time, by blocks."""
