"""The launch of one step: empty output folders, and checks of what is read and published."""
