"""Unchanged runs: their steps are recorded as cached without TensorFlow, TFX and Beam."""
