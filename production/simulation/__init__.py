"""The flight simulator: months of production in minutes, with faults whose truth is known."""
