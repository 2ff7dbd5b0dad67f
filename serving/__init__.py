"""The embedded model server, its clients, and what a real TensorFlow Serving needs."""
