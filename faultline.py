"""The program `faultline`; `commands.command_line` declares its subcommands."""

from commands.command_line import main

if __name__ == "__main__":
    main()
