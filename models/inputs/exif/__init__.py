"""The orientation of pictures by their EXIF data, in the graph."""
