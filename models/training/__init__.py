"""Network, training loop, augmentation and tuning."""
