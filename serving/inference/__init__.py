"""Inference on a servable as plain functions, shared by gRPC and REST."""
