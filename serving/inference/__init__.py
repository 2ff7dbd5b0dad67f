"""What a request means to a servable: plain functions, the same for both wires."""
