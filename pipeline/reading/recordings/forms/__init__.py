"""Forms of raw recordings: what files of each kind are concluded to be."""
