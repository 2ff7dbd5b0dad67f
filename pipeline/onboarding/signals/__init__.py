"""Conclusions of `init` about signals: numbered columns, lengths of lists, sampling rates."""
