"""Preprocessing of raw columns to the network's inputs, one graph for training and serving."""
