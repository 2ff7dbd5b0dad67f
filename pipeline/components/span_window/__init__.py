"""SpanWindow: several accepted spans as one data set."""
