"""Parts of an assembly of recordings: each is a task of its own, here or on a Beam engine."""
