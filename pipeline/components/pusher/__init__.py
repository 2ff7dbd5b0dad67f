"""TFX's Pusher with an atomic push."""
