"""Rows of a database, kept as Parquet files for the steps of a run."""
