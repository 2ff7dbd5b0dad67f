"""Files with many recordings: arrays, groups of HDF5 files, and lines of text."""
