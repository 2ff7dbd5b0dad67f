"""Years without any change, flown in memory."""
