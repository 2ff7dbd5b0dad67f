"""The orientation of pictures by their EXIF data, for Pillow."""
