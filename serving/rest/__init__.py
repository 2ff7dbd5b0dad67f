"""TensorFlow Serving's REST interface: the JSON, the routes, and the server that listens."""
