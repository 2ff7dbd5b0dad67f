"""Functions behind the subcommands of `faultline`."""
