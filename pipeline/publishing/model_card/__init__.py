"""Model card of a pushed version: what it is for, what it was measured on, and what it is not."""
