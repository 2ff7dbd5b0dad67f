"""Messages of TensorFlow Serving that its Python package does not have."""
