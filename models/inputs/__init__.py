"""From raw columns to the network's inputs, the same graph in training and serving."""
