"""Raw files of recordings: what they are, and their samples on a regular clock."""
