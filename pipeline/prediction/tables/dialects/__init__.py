"""The statements that write predictions, for each kind of database."""
