"""Queries to git."""
