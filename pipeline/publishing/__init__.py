"""The folder of reports: the pages of each run, one index, and clean-up of what old runs left."""
