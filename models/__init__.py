"""What Transform and Trainer import: features, preprocessing, network, training, export."""
