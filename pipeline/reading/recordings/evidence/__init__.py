"""Evidence of what raw files hold: their kinds, their labels, and how their samples follow."""
