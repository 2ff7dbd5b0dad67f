"""`faultline sbom`: the software bill of materials of what runs need."""

import sys
from pathlib import Path

from common.errors import InputError
from common.output_folder import replace_file
from common.paths import shown_path
from common.software.bill_of_materials import make_bill


def print_bill(lock: Path, output_file: Path | None) -> int:
    """Prints the bill of materials, or writes it to a file; returns the exit code, 0.

    Args:
        lock: The lock file.
        output_file: The file to write; None prints to standard output.

    Raises:
        InputError: The lock file cannot be read, or the file cannot be written.
    """
    bill = make_bill(lock)
    if output_file is None:
        sys.stdout.write(bill)
        return 0
    try:
        replace_file(output_file, bill.encode())
    except OSError as error:
        raise InputError(
            f"--output-file {output_file} cannot be written: {error.strerror}. Name a file in an "
            "existing folder."
        ) from error
    sys.stdout.write(f"Bill of materials: {shown_path(output_file)}\n")
    return 0
