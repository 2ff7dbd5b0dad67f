"""`faultline predict --into`: predictions into a table of a database, restartable at any point."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.markup import escape

from common.errors import InputError
from common.guards.redaction import redact_text
from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.counting import count
from pipeline.prediction.batch import latest_model
from pipeline.prediction.options import PredictOptions, PredictSummary
from pipeline.prediction.progress import RowProgress
from pipeline.prediction.skew import Skew
from pipeline.prediction.tables import writing
from pipeline.prediction.tables.database_rows import Predict, predict_files, read_rows
from pipeline.prediction.tables.dialects.dialect import Dialect
from pipeline.prediction.tables.dialects.mariadb import MariaDB
from pipeline.prediction.tables.dialects.postgresql import PostgreSQL
from pipeline.prediction.tables.dialects.sqlite import SQLite
from pipeline.prediction.tables.ids import check_ids
from pipeline.prediction.tables.job import Job, Order, open_job
from pipeline.prediction.tables.layout import (
    Kind,
    Layout,
    check_id_name,
    parse_table_name,
    shown_name,
)
from pipeline.prediction.tables.source import (
    DatabaseSource,
    ReadFacts,
    check_source,
    read_ids,
)
from pipeline.reading.sql.connections import Connection, connect, driver_errors
from pipeline.reading.sql.database import Database, is_database_url, parse_url
from pipeline.reading.sql.failures import words_of

_DIALECTS: dict[str, Callable[[], Dialect]] = {
    "postgresql": PostgreSQL,
    "mariadb": MariaDB,
    "sqlite": SQLite,
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """The table that takes the predictions.

    Attributes:
        database: Its database.
        table: Its name in parts.
        id_column: The column of the ids.
    """

    database: Database
    table: tuple[str, ...]
    id_column: str

    def __str__(self) -> str:
        return f"{shown_name(self.table)} of {self.database}"

    def layout(self, id_kind: Kind) -> Layout:
        """Returns the table's layout for a kind of ids."""
        return Layout(table=self.table, id_column=self.id_column, id_kind=id_kind)


def find_target(options: PredictOptions) -> Target:
    """Returns the table that the command line names.

    Raises:
        InputError: Options do not fit together, or a name or URL is none.
    """
    if options.output_file is not None:
        raise InputError("--into writes a table and --output-file a file: give one of them.")
    if options.id_column is None:
        raise InputError("--into needs --id: the column that says which row of the table is meant.")
    if not options.batch and options.server.startswith(("http://", "https://")):
        raise InputError(
            f"--into notes the model's version of each row, which {options.server} does not report "
            "over REST. Give a server as grpc://HOST:PORT, or predict with --batch."
        )
    if options.into_password_env is not None and options.into_url is None:
        raise InputError(
            "--into-password-env is for the database of --into-url, and there is none. Name the "
            "variable of DATA with --password-env."
        )
    check_id_name(options.id_column)
    url = options.into_url or (options.data if is_database_url(options.data) else None)
    if url is None:
        raise InputError(f"--into: {options.data} is no database. Name one with --into-url.")
    return Target(
        database=parse_url(
            url,
            password_env=options.into_password_env or options.password_env,
            key="--into-url" if options.into_url else "DATA",
        ),
        table=parse_table_name(str(options.into), option="--into"),
        id_column=options.id_column,
    )


def predict_into_table(
    options: PredictOptions,
    config: Config,
    source: DatabaseSource | None,
    predict: Predict,
    console: Console,
) -> PredictSummary:
    """Predicts rows and writes the predictions into a table.

    Args:
        options: The command line.
        config: The use case.
        source: The table or query to read; None if the data are files.
        predict: Predicts files.
        console: Takes the progress.

    Raises:
        InputError: The input, the model or the table is invalid, and nothing is written; or the
            database failed while it was written, and the same command continues.
    """
    target = find_target(options)
    model = options.model or config.name
    if options.batch:
        latest_model(OutputFolder(options.output.absolute()), model)
    if source is not None:
        check_source(source, options.table, os.environ)
    with _connection(target.database) as connection:
        _check_table(connection, target)
    with open_job(OutputFolder(options.output.absolute()), _order(options, target, model)) as job:
        _say_continued(job, target, console)
        has_earlier_rows = job.rows.exists()
        try:
            summary = _predicted(job, options, config, source, predict)
            id_kind = _check_answers(job, target, source)
        except InputError:
            if not job.num_written:
                job.discard()
            raise
        num_rows = _write(job, target.layout(id_kind), target.database, console)
        summary.output, summary.run_id = str(target), job.run_id
        if has_earlier_rows:
            summary.notes.append(
                "the interrupted command had read these rows: repeat it for those that came since"
            )
        summary.notes.append(f"{count(num_rows, 'row')} inserted or updated by run {job.run_id}")
        job.finish(summary.to_json())
    return summary


def _order(options: PredictOptions, target: Target, model: str) -> Order:
    is_database = is_database_url(options.data)
    source = (
        f"{parse_url(options.data, key='DATA')} {options.table or redact_text(str(options.query))}"
        if is_database
        else str(Path(options.data).absolute())
    )
    return Order(
        source=source,
        target=str(target),
        id_column=target.id_column,
        model=model,
        server="" if options.batch else options.server,
    )


def _say_continued(job: Job, target: Target, console: Console) -> None:
    if not job.is_continued:
        return
    taken_at = job.read_facts.get("taken_at")
    if job.outcome is not None:
        state = f"all rows are predicted, and {job.num_written:,} are in {target}"
    elif taken_at is not None and job.rows.exists():
        state = f"its rows were read at {taken_at}"
    else:
        state = "its rows are read again"
    console.print(
        escape(f"Continues run {job.run_id}: {state}. To begin again, remove {job.folder}."),
        highlight=False,
        soft_wrap=True,
    )


def _predicted(
    job: Job,
    options: PredictOptions,
    config: Config,
    source: DatabaseSource | None,
    predict: Predict,
) -> PredictSummary:
    """Reads and predicts what the job has not read and predicted yet."""
    outcome = job.outcome
    if outcome is not None:
        skews = [Skew(**skew) for skew in outcome.pop("skews")]
        return PredictSummary(**outcome, skews=skews)
    job.remove_predictions()
    output = job.batch_folder if options.batch else job.server_file
    inner = replace(options, into=None, into_url=None, output_file=output)
    if source is None:
        summary = predict(inner, config)
    else:
        if not job.rows.exists():
            with job.incoming(job.rows) as folder:
                facts = read_rows(source, folder, config, options)
                job.note_read(asdict(facts) | {"taken_at": facts.taken_at.isoformat()})
        noted = job.read_facts
        facts = ReadFacts(**(noted | {"taken_at": datetime.fromisoformat(noted["taken_at"])}))
        summary = predict_files(inner, config, source, job.rows, facts, predict)
    job.note_outcome(summary.to_json())
    return summary


def _check_answers(job: Job, target: Target, source: DatabaseSource | None) -> Kind:
    ids: list[pa.ChunkedArray] = read_ids(job.prediction_files, target.id_column)
    name = source.name if source is not None else "The data"
    id_kind = check_ids(ids, id_column=target.id_column, source=name)
    writing.check_answers(job.prediction_files, target.layout(id_kind), job)
    return id_kind


def _check_table(connection: Connection, target: Target) -> None:
    """Checks a table that is there, before anything is read, whatever kind of ids comes."""
    dialect = _DIALECTS[target.database.kind]()
    existing = dialect.describe(connection.cursor(), target.table)
    column = existing.columns.get(target.id_column) if existing is not None else None
    id_kind: Kind = "text" if column is not None and "text" in column.kinds else "integer"
    writing.ensure_table(connection, dialect, target.layout(id_kind), create=False)


def _write(job: Job, layout: Layout, database: Database, console: Console) -> int:
    files = job.prediction_files
    total = sum(len(ids) for ids in read_ids(files, layout.id_column))
    dialect = _DIALECTS[database.kind]()
    with _connection(database, job, total) as connection:
        writing.ensure_table(connection, dialect, layout, create=True)
        with RowProgress(console, total=total) as progress:
            progress.add(job.num_written)
            for num_rows in writing.write_rows(connection, dialect, layout, files, job):
                progress.add(num_rows)
        try:
            writing.check_written(connection, dialect, layout, run_id=job.run_id, num_rows=total)
        except InputError:
            job.note_written(0)  # the same command writes all rows again
            raise
    return total


@contextmanager
def _connection(database: Database, job: Job | None = None, total: int = 0) -> Iterator[Connection]:
    """Yields a connection that may write; what its driver raises becomes an `InputError`."""
    refusals: tuple[type[Exception], ...] = (*driver_errors(database), OSError)
    connection = connect(database, os.environ, read_only=False)
    try:
        yield connection
    except refusals as error:
        state = (
            f"{job.num_written:,} of {total:,} rows are written, and the same command continues"
            if job is not None
            else "Nothing was written"
        )
        raise InputError(f"{database} refused: {words_of(error)}. {state}.") from None
    finally:
        connection.close()
