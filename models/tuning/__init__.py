"""Search for better training options."""
