"""Reading tables and queries of PostgreSQL, MariaDB, MySQL and SQLite as Arrow batches."""
