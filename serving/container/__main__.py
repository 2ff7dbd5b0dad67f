"""Starts the server of a container."""

import os
import sys
from collections.abc import Mapping, Sequence

from serving.container.flags import server_flags
from serving.flags import FlagError
from serving.server import EXIT_FAILURE, import_lightly, main


def run(environment: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Serves until a signal stops the process; returns the exit code."""
    try:
        flags = server_flags(environment, arguments)
    except FlagError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILURE
    return main(flags)


if __name__ == "__main__":
    import_lightly()
    sys.exit(run(os.environ, sys.argv[1:]))
