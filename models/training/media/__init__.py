"""Branches of the network for pictures, and their random variation."""
