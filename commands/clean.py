"""`faultline clean`: removes the files of old runs."""

from pathlib import Path

from commands.queries import open_runs, print_answer


def clean_output(
    config_path: Path | None, output: Path, *, keep: int, dry_run: bool, as_json: bool
) -> int:
    """Removes the files of old runs, prints their kind and size, and returns the exit code.

    Args:
        config_path: The YAML that names a metadata server, or None for the output's SQLite file.
        output: The output folder.
        keep: How many runs of each use case are kept.
        dry_run: Only print the folders and their size.
        as_json: JSON on standard output instead of a table.
    """
    from common.output_folder import exclusive, open_output
    from pipeline.cleaning.clean import clean, render_clean_up

    store = open_runs(config_path, output)
    folder = open_output(output)
    with exclusive(folder):
        done = clean(store, folder, keep=keep, dry_run=dry_run)
    print_answer(done.to_json(), lambda: render_clean_up(done), as_json=as_json)
    return 0
