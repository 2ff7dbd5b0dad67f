"""Tables with columns of paths: the files that they name take the place of the paths."""
