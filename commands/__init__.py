"""What the subcommands of `faultline` call."""
