"""Two runs side by side: what differs, and which model is better on the same test examples."""
