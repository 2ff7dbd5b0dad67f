"""ArrowExampleGen: reads CSV, Parquet and TFRecord as Arrow and deals exact, stable splits."""
