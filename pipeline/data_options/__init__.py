"""Sources of data other than files, as a config names them."""
