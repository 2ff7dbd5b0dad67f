"""TensorFlow Serving's REST interface: JSON bodies, routes, HTTP server."""
