"""Options and summary of `faultline predict`."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.prediction.skew import Skew
from pipeline.reading.sql.database import PASSWORD_ENV

DEFAULT_SERVER = "grpc://127.0.0.1:8500"


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Command-line options.

    Attributes:
        data: A file, a folder or a glob.
        config_path: The use case's config, which defines how raw rows are read; None for that of
            the only use case that is served from `output`.
        output_file: Output file, or folder with `batch`; None for the default.
        server: Address of the server.
        model: Name of the model; None for the config's.
        id_column: Column that identifies a row; None to use the row number.
        batch: Run the pushed model with Beam, without a server.
        output: The output folder, from which `batch` takes the pushed model.
        as_json: Print the summary as JSON on standard output.
        strict: Write nothing if the rows differ from those of training.
        labels: Table with the context of recordings, in place of `data.recordings.labels`.
        table: The table to read, if `data` is a database.
        query: The SELECT to read, if `data` is a database.
        password_env: Environment variable with the password of a database.
        partition_column: Column in whose ranges several readers read a database.
        into: The table that takes the predictions, in place of a file.
        into_url: The database of that table; None for the database of `data`.
        into_password_env: Environment variable with its password; None for `password_env`.
    """

    data: str
    config_path: Path | None
    output_file: Path | None = None
    server: str = DEFAULT_SERVER
    model: str | None = None
    id_column: str | None = None
    batch: bool = False
    output: Path = Path("output")
    as_json: bool = False
    strict: bool = False
    labels: Path | None = None
    table: str | None = None
    query: str | None = None
    password_env: str = PASSWORD_ENV
    partition_column: str | None = None
    into: str | None = None
    into_url: str | None = None
    into_password_env: str | None = None


@dataclass(kw_only=True)
class PredictSummary:
    """Summary of a prediction.

    Attributes:
        model: Name of the model.
        versions: The versions that answered, if the protocol reports them.
        source: The server, or the model's folder.
        output: Path of the predictions, or their table and its database.
        run_id: The id of this prediction, which each row of a table has; None of a file.
        num_rows: Number of predicted rows.
        num_left_out: Number of unreadable rows.
        left_out: File that lists the unreadable rows; None if there are none.
        decisions: Number of rows per decision, if the model has an output `decision`.
        notes: What the assembly of raw recordings counted, in words.
        alarms: File with the alarms of streams; None if rows are no windows.
        num_alarms: Number of alarms.
        skews: What differs from the data of training; see `pipeline.prediction.skew.Skew`.
        compared_with: What the rows were compared with; empty if there was no reference.
        duration_s: Duration in seconds.
    """

    model: str
    source: str
    output: str
    run_id: str | None = None
    versions: list[int] = field(default_factory=list)
    num_rows: int = 0
    num_left_out: int = 0
    left_out: str | None = None
    decisions: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    alarms: str | None = None
    num_alarms: int = 0
    skews: list[Skew] = field(default_factory=list)
    compared_with: str = ""
    duration_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Returns the summary as a JSON object."""
        return asdict(self)
