"""Shared utilities: errors, paths, processes, the output folder, ML Metadata, digests."""
