"""What every layer may use: errors, paths, processes, the output folder, ML Metadata, digests."""
