"""TFX's StatisticsGen with an executor that reads large Arrow batches."""
