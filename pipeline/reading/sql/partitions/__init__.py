"""Reading a query in ranges of a key: by several workers, over one consistent snapshot."""
