"""The commands `predict` and `serve`: data files in, predictions out, by a server or by Beam."""
