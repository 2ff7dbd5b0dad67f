"""What brings a run back: its versioned data, where its code and config are, and the commands."""
