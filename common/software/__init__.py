"""What the project is made of: the lock file, and the bill of materials that is made from it."""
