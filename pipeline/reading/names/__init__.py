"""Names of zones and months in texts of times."""
