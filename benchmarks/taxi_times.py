"""The taxi trips many times over: data of any size whose statistics stay what they are."""

from pathlib import Path

from datasets import materialise

PROJECT = Path(__file__).resolve().parent.parent


def repeat_csv(source: Path, target: Path, times: int) -> None:
    """Writes a CSV file with the rows of another, so many times over.

    Args:
        source: A CSV file with a header.
        target: The file to write; its folder is made.
        times: How often.
    """
    header, rows = source.read_bytes().split(b"\n", 1)
    rows = rows if rows.endswith(b"\n") else rows + b"\n"
    target.parent.mkdir(parents=True)
    with target.open("wb") as file:
        file.write(header + b"\n")
        for _ in range(times):
            file.write(rows)


def network_alone(epochs: int) -> tuple[tuple[str, str], ...]:
    """Returns what to replace in the taxi use case to train the network for so many epochs."""
    return ("epochs: 20", f"epochs: {epochs}"), ("model: auto", "model: network")


def write_config(folder: Path, times: int, *, epochs: int | None = None) -> Path:
    """Writes the taxi use case on the trips so many times over, and returns its YAML.

    Args:
        folder: Where data and YAML go.
        times: How often the trips are repeated.
        epochs: Training epochs of the network, in place of the use case's own model. Trees would
            learn repeated trips by heart, without an end.
    """
    data = folder / "data" / "trips.csv"
    repeat_csv(Path(materialise("taxi", folder, {})), data, times)
    text = (PROJECT / "configs" / "taxi.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("dataset: taxi", f"path: {data}"),
        ("../schema/taxi.pbtxt", str(PROJECT / "schema" / "taxi.pbtxt")),
        *(() if epochs is None else network_alone(epochs)),
    ):
        if old not in text:
            raise ValueError(f"configs/taxi.yaml no longer says `{old}`")
        text = text.replace(old, new)
    config = folder / "taxi.yaml"
    config.write_text(text, encoding="utf-8")
    return config
