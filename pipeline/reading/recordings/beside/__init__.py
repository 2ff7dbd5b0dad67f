"""Tables beside recordings: of labels and context, and of events."""
