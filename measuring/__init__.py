"""Statistics on labels and scores: metrics, intervals, resampling, detectors. No TensorFlow."""
