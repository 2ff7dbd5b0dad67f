"""The embedded model server, its client library, and the files that deploy TensorFlow Serving."""
