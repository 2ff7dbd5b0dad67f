"""The REST side of the server: TensorFlow Serving's paths, bodies, codes and words."""
