"""Troubles of sounds: of their files, and of their samples."""
