"""Runs a use case on this machine: `python local_runner.py --config configs/signals.yaml`."""

from commands.command_line.running import run

if __name__ == "__main__":
    run()
