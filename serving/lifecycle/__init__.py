"""Model versions: polling, loading, warm-up, unloading."""
