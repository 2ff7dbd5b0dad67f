"""TFX's Pusher, with a push that is done whole or not at all."""
