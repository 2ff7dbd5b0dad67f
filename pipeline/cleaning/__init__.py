"""`faultline clean`: removal of the files of old runs."""
