"""TensorFlow Serving's protos that its Python package lacks, and readers of text-format files."""
