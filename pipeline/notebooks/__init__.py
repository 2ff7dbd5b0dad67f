"""Notebooks: what their cells call, and their execution without a browser."""
