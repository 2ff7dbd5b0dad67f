"""gRPC and REST encodings of the client's calls."""
