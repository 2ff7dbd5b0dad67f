"""The commands that watch what is in service."""
