"""Assembly of raw recordings to a table with one row for each recording or window."""
