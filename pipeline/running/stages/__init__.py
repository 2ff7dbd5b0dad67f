"""What precedes and follows the steps of a run, whether they share a process or not."""
