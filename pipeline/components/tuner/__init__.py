"""TFX's Tuner with the sampling record."""
