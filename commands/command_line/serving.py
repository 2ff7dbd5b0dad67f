"""Commands that serve versions, query them, and turn requests into data."""

from pathlib import Path
from typing import Any

import click

from commands.command_line.exits import exits_cleanly, quiet_libraries
from commands.command_line.options import (
    deciding_options,
    json_option,
    output_option,
    use_case_option,
)
from commands.command_line.program import main


@main.command()
@click.argument("reference", metavar="NAME[/VERSION]")
@deciding_options
@exits_cleanly
def rollback(config_path: Path | None, output: Path, as_json: bool, **order: Any) -> int:
    """Serve the previous version again, or VERSION.

    Newer versions are moved out of the folder that servers watch and kept aside. The next run does
    not push the same model again; it pushes a new one as usual. A withdrawn VERSION is put back.

    \b
    faultline rollback signals --why "alarms on every warm-up"
    faultline rollback signals/1795485203 --why "the sensor was at fault" --by Ada
    """  # noqa: D301 - as above
    quiet_libraries()
    from commands.rollback import Order, roll_back

    return roll_back(Order(**order), config_path, output, as_json=as_json)


@main.command()
@click.argument("reference", metavar="NAME/VERSION")
@deciding_options
@exits_cleanly
def withdraw(config_path: Path | None, output: Path, as_json: bool, **order: Any) -> int:
    """Take one version out of service.

    If it is the served version, the next lower one is served. The files are kept aside, and
    `faultline rollback NAME/VERSION` puts them back.
    """
    quiet_libraries()
    from commands.rollback import Order
    from commands.rollback import withdraw as withdraw_version

    return withdraw_version(Order(**order), config_path, output, as_json=as_json)


@main.command("package")
@click.argument("reference", metavar="NAME[/VERSION]")
@click.option("-t", "image", metavar="IMAGE", help="Build an image of this name.")
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the build context to DIR, a new or empty folder.",
)
@click.option(
    "--base",
    "base_image",
    metavar="IMAGE",
    default="faultline-serving",
    show_default=True,
    help="The image of the server, from `docker build --target serving`.",
)
@click.option(
    "--engine",
    type=click.Choice(["docker", "podman", "buildah"]),
    help="The program that builds the image.  [default: the first of these on the path]",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML that names a metadata server, or the public keys that may have signed the model.",
)
@output_option
@json_option
@exits_cleanly
def package(*, as_json: bool, **options: Any) -> int:
    """Put a pushed version into a container image that serves it.

    The image answers REST and gRPC on the port in $PORT, as serverless platforms ask. A version
    that is neither BLESSED nor approved by a person is refused, and so is one that was withdrawn
    or damaged. NAME alone is the version that is served.

    \b
    docker build --target serving -t faultline-serving .
    faultline package signals -t signals-image
    faultline package signals/1795765575 -o context/
    """  # noqa: D301 - as above
    quiet_libraries()
    from commands.serve.packaging import Order
    from commands.serve.packaging import package as package_model

    return package_model(Order(**options), as_json=as_json)


@main.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML of the only use case to serve.  [default: all pushed models]",
)
@click.option(
    "--gateway",
    "has_gateway",
    is_flag=True,
    help="Serve one model by two servers behind Envoy, for `faultline rollout`.",
)
@output_option
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
@exits_cleanly
def serve(
    config_path: Path | None, output: Path, flags: tuple[str, ...], *, has_gateway: bool
) -> int:
    """Serve pushed models over gRPC and REST.

    The APIs are those of TensorFlow Serving. New versions are served as soon as they are pushed.
    FLAGS after `--` are TensorFlow Serving's own:

    \b
    faultline serve
    faultline serve -- --port=9000 --rest_api_port=9001 --enable_batching
    faultline serve -- --help              list all flags

    With --gateway, a pushed version does not take over at once. The stable version keeps serving,
    the candidate is loaded beside it, and Envoy divides the requests as the rollout says, over gRPC
    and REST alike. No request fails when a version takes over or is rolled back. In the config,
    `gateway` sets TLS, clients and limits, `rollout` the steps, and `collection` what is recorded.
    FLAGS apply to both servers:

    \b
    faultline serve --gateway --config configs/signals.yaml
    faultline rollout start signals --why "lower costs on the test split"
    faultline rollout status
    """  # noqa: D301 - as above
    if has_gateway:
        from commands.serve.gateway import serve_gateway

        return serve_gateway(config_path, output, flags)
    from commands.serve.alone import serve as serve_models

    return serve_models(config_path, output, flags)


@main.command()
@click.argument("data")
@use_case_option
@click.option(
    "--server",
    default="grpc://127.0.0.1:8500",
    show_default=True,
    help="Model server: grpc://HOST:PORT or http://HOST:PORT.",
)
@click.option("--model", help="Name of the served model.  [default: the config's name]")
@click.option("--id", "id_column", help="Column that identifies a row.  [default: the row number]")
@click.option(
    "--output-file",
    type=click.Path(path_type=Path),
    help="A .csv, .parquet or .jsonl file; a new folder with --batch.  [default: predictions.csv]",
)
@click.option(
    "--batch", is_flag=True, help="Use the model pushed under --output, on Beam, without a server."
)
@click.option(
    "--strict", is_flag=True, help="Write nothing if the rows differ from the data of training."
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="Table with the context of recordings; no label is needed.  [default: that of training]",
)
@click.option("--table", help="Table to read, if DATA is a database.")
@click.option("--query", help="SELECT to read, if DATA is a database.")
@click.option(
    "--partition-column",
    help="Column in whose ranges several readers read a database, over one snapshot.",
)
@click.option(
    "--into",
    metavar="TABLE",
    help="Write the predictions into this table, upserted by --id, in place of a file.",
)
@click.option("--into-url", metavar="URL", help="Database of that table.  [default: DATA]")
@click.option(
    "--password-env",
    default="FAULTLINE_DATABASE_PASSWORD",
    show_default=True,
    help="Environment variable with the password of a database.",
)
@click.option(
    "--into-password-env",
    metavar="NAME",
    help="Environment variable with the password of --into-url.  [default: that of DATA]",
)
@output_option
@json_option
@exits_cleanly
def predict(**options: Any) -> int:
    """Write predictions for the rows of DATA.

    DATA is a CSV, Parquet or JSON-lines file, a folder, a glob, or the URL of a database. Rows are
    read as in training: the config defines wide signals, times and missing values. The label is not
    needed. A table says where the rows differ from the data of training: missing, unseen and
    out-of-range values, distributions, and the share of alarms.

    \b
    faultline predict new.parquet --id recording_id
    faultline predict new.csv --server http://127.0.0.1:8501 --output-file new.jsonl
    faultline predict archive/ --batch --output-file predictions/
    faultline predict recordings/ --labels machines.csv

    With --into, predictions go into a table with the columns id, probability, decision,
    model_version, run_id and predicted_at, which is created if it is not there. Rows are upserted
    by --id in transactions of 5,000. After a kill, the same command continues where it stopped:

    \b
    faultline predict postgresql://me@host/plant --table readings --id id --into predictions
    faultline predict mysql://me@host/plant --query "SELECT * FROM new" --id id --into done --batch
    faultline predict sqlite:///plant.db --table readings --id id --output-file predictions.csv
    """  # noqa: D301 - as above
    quiet_libraries()
    from pipeline.prediction.options import PredictOptions
    from pipeline.prediction.predict import predict as predict_data

    return predict_data(PredictOptions(**options))


@main.command()
@click.argument("data", metavar="FILE|URL")
@click.option("--id", "id_column", required=True, help="Column that holds the request ids.")
@click.option("--label", "label_column", required=True, help="Column that holds the label.")
@click.option(
    "--row",
    "row_column",
    help="Column that holds the row in the request, from 0.  [default: every request has one row]",
)
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="COLUMN",
    help="Also keep COLUMN, which the training data have and requests lack. May be repeated.",
)
@use_case_option
@click.option("--model", help="Name of the model that answered.  [default: the config's name]")
@output_option
@json_option
@exits_cleanly
def labels(**options: Any) -> int:
    """Store labels that arrive after the answers.

    FILE is a CSV, Parquet or JSON-lines file, a spreadsheet, a folder or a glob. The server returns
    a request's id as `x-request-id`. Labels are written as in the training data. The same file may
    be given again: known labels are not stored twice, and a different label of a row replaces it.

    \b
    faultline labels repairs.csv --id request_id --label failed
    faultline labels https://lab.example/results.csv --id request --row sample --label state
    faultline labels repairs.csv --id request_id --label failed --with machine
    """  # noqa: D301 - as above
    quiet_libraries()
    from commands.labels import LabelOptions, keep_labels

    return keep_labels(LabelOptions(**options))


@main.command()
@use_case_option
@click.option("--span", help="Number or date of the span.  [default: the next number, or today]")
@click.option("--model", help="Name of the model that answered.  [default: the config's name]")
@output_option
@json_option
@exits_cleanly
def span(**options: Any) -> int:
    """Write labelled requests as the next span of data.

    The file goes beside the earlier spans, where `data.path` with {SPAN} or {DATE} places it, and
    holds the columns that training needs, in its format. Every row is written once: the next call
    takes rows whose labels came in between. `faultline run` then reads the span like any other.

    \b
    faultline labels repairs.csv --id request_id --label failed
    faultline span --config configs/wells.yaml
    faultline run --config configs/wells.yaml
    """  # noqa: D301 - as above
    quiet_libraries()
    from commands.labels import SpanOptions, make_span

    return make_span(SpanOptions(**options))
