"""Models in TensorFlow's C library: sessions, tensors, batching."""
