"""The record beside the rows that were read from a database."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

RECORD = "_database.json"


@dataclass(frozen=True, kw_only=True)
class ReadRows:
    """One file of rows.

    Attributes:
        query: The query, with its span filled in.
        snapshot_at: Time of the snapshot, ISO 8601 in UTC, by the server's clock.
        num_rows: Its rows.
        digest: SHA-256 of the file, which the rows alone determine.
        sign: What `changes.change_sign` returned; None if only the content can tell.
    """

    query: str
    snapshot_at: str
    num_rows: int
    digest: str
    sign: str | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a folder of rows was read from.

    Attributes:
        url: The database, without a password.
        order_by: The order of the rows.
        table: The table; None of a query.
        files: Name of each file to what it holds.
    """

    url: str
    order_by: tuple[str, ...]
    table: str | None = None
    files: Mapping[str, ReadRows] = field(default_factory=dict)

    def properties(self, names: Sequence[str]) -> dict[str, str | int]:
        """Returns what to note of the files on an `Examples` artifact, for lineage to show."""
        files = [self.files[name] for name in sorted(names) if name in self.files]
        if not files:
            return {}
        return {
            "database": self.url,
            "query": "; ".join(dict.fromkeys(rows.query for rows in files)),
            "order_by": ", ".join(self.order_by),
            "snapshot_at": max(rows.snapshot_at for rows in files),
            "num_rows_of_query": sum(rows.num_rows for rows in files),
            "rows_digest": ", ".join(rows.digest for rows in files),
        }


def read_record(folder: Path) -> Record | None:
    """Returns the record of a folder; None if its files are not from a database."""
    try:
        entries = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        files = {name: ReadRows(**rows) for name, rows in entries["files"].items()}
        return Record(
            url=entries["url"],
            order_by=tuple(entries["order_by"]),
            table=entries.get("table"),
            files=files,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(folder: Path, record: Record) -> None:
    """Writes the record of a folder, all of it or nothing."""
    draft = folder / f".{RECORD}"
    draft.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    draft.replace(folder / RECORD)
