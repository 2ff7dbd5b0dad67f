"""Finding and opening data files: CSV, Parquet, TFRecord."""
