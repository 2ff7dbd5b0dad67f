"""`faultline clean`: removes what old runs left in the output folder."""
