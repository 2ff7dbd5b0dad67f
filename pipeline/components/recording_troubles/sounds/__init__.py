"""What is wrong with the file of a sound, and with what it holds."""
