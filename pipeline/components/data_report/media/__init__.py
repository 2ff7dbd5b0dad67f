"""Examples of files in columns, for the page."""
