"""Reading raw data as typed Arrow columns, one contract for every command."""
