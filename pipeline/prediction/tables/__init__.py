"""Predictions that go into a table of a database: upserted by id, in restartable chunks."""
