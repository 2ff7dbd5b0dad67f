"""TFX's Trainer with a check that the model corrects for sampling."""
