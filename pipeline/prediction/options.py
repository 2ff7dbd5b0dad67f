"""What `faultline predict` was asked for, and what came of it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

DEFAULT_SERVER = "grpc://127.0.0.1:8500"


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What the command line says.

    Attributes:
        data: A file, a folder or a glob.
        config_path: The use case's YAML, which says how its raw rows are read.
        output_file: Where the predictions go: a file, with `batch` a folder; None for the default.
        server: Address of the server.
        model: Name of the model; None for the config's.
        id_column: Column that identifies a row; None for its number.
        batch: Predict by Beam on the pushed model, without a server.
        output: The output folder, of which `batch` takes the pushed model.
        as_json: Print the summary as JSON on standard output.
    """

    data: str
    config_path: Path
    output_file: Path | None = None
    server: str = DEFAULT_SERVER
    model: str | None = None
    id_column: str | None = None
    batch: bool = False
    output: Path = Path("output")
    as_json: bool = False


@dataclass(kw_only=True)
class PredictSummary:
    """What a prediction did.

    Attributes:
        model: The model.
        versions: The versions that answered, as far as the wire says.
        source: The server, or the model's folder.
        output: Where the predictions are.
        num_rows: Rows predicted.
        num_left_out: Rows that could not be read.
        left_out: File that names those, None without any.
        decisions: Rows by the model's decision, where it has an output `decision`.
        duration_s: Seconds it took.
    """

    model: str
    source: str
    output: str
    versions: list[int] = field(default_factory=list)
    num_rows: int = 0
    num_left_out: int = 0
    left_out: str | None = None
    decisions: dict[str, int] = field(default_factory=dict)
    duration_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Returns the summary for a JSON document."""
        return asdict(self)
