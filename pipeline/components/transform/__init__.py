"""TFX's Transform with an executor that reads large Arrow batches."""
