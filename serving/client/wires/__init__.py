"""Encoding and sending of the client's calls over gRPC and REST."""
