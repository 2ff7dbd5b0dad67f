"""`faultline serve`: the embedded server on what was pushed, or a gateway with two of them."""
