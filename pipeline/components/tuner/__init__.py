"""Tuner: TFX's, told what was sampled."""
