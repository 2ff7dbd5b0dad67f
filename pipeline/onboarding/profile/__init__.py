"""One pass over a new table: values, labels and counts by column."""
