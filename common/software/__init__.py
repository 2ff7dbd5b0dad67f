"""Software of the project: the lock file, and the bill of materials made from it."""
