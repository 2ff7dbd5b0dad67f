"""ExampleValidator: TFX's artifact, with a comparison to an earlier span."""
