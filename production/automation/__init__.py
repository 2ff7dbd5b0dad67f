"""The automation dial: what is decided without a person, and what other levels would have done."""
