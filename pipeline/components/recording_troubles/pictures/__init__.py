"""Pictures as files: decoding, recording troubles, duplicates and thumbnails."""
