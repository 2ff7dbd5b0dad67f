"""The folder of reports: the pages of each run, and an index of all."""
