"""Features, preprocessing, network, training and export, as used by Transform and Trainer."""
