"""Trainer: TFX's, told what was sampled, and held to correcting it."""
