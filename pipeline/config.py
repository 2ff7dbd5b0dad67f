"""Configuration of a use case: frozen values, validated on construction."""

import codecs
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue
from common.example_files import group_column
from common.guards.redaction import redact_text
from common.metadata_options import Metadata
from common.paths import tidy_path
from models import features as features_lib
from models.features import Feature
from models.model_spec import CalibrationMethod, FoldRule, ModelSpec
from models.probabilities.cost import Cost
from models.search_space import Tuning, check_tuning
from models.threshold_rule import ThresholdRule
from models.train_options import TrainOptions, check_model
from models.training.augmentation import check_augmentation
from pipeline.column_format import ColumnFormat, CsvLayout, Decimal, Thousands
from pipeline.data_options.path_columns import PathColumn, check_path_columns
from pipeline.data_options.sql import Sql
from pipeline.production_options.automation import AutomationOptions
from pipeline.production_options.card import CardOptions
from pipeline.production_options.collection import Collection, check_collection
from pipeline.production_options.gateway import GatewayOptions
from pipeline.production_options.kubeflow import KubeflowOptions
from pipeline.production_options.monitoring import MonitoringOptions
from pipeline.production_options.retraining import RetrainingOptions
from pipeline.production_options.rollout import RolloutOptions
from pipeline.production_options.signing import SigningOptions
from pipeline.recording_options import Recordings, check_recordings, check_windows
from pipeline.sampling_options import Sampling, check_sampling
from pipeline.slicing import TROUBLE_KINDS, Slice, SliceEntry, make_slice

# Suffix of the use case's name for models that are pushed beside the served one.
SHADOW_SUFFIX = "_shadow"
SPLITS = ("train", "eval", "test")
# Folders of the output folder that runs and servers write: nothing else may be in them.
_ROOMS_OF_RUNS = (
    *("artifacts", "collected", "data", "data_versions", "gateway", "monitoring", "plans"),
    *("predictions", "reports", "retraining", "rollouts", "runs", "serving", "simulations"),
    "tensorboard",
)

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Column = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]


def check_monotone(features: Mapping[str, Feature], options: TrainOptions) -> None:
    """Checks that monotone features come with trees.

    Raises:
        ValueError: The model has a network, which cannot keep such a constraint.
    """
    names = [name for name, feature in features.items() if getattr(feature, "monotone", None)]
    if names and options.model in {"network", "blend"}:
        raise ValueError(
            f"features.{names[0]}.monotone is kept by trees only, and train.model is "
            f"`{options.model}`. Set `model: trees`, or `auto`, which then takes trees; or remove "
            "`monotone`"
        )


def check_no_password(location: str | None) -> str | None:
    """Checks that a location holds no password, because every record of a run names it."""
    if location is not None and redact_text(location) != location:
        raise ValueError("must not hold a password or a token; set it in the environment")
    return location


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Label:
    """The label column and its positive value, the rare class.

    Attributes:
        column: Name of the label column.
        positive: The value that means positive, compared as text after trimming (`1` equals
            `1.0`, `true` and `True` are one); every other value is negative.
        negative: In place of `positive` where there are several kinds of faults: the value that
            means negative; every other value is positive. Not for streams with a label for each
            sample.
        values: All values of the label, `positive` or `negative` among them. A row with another
            value is a bad row. By default any value is good.
    """

    column: Column
    positive: str | int | float | bool = 1
    negative: str | int | float | bool | None = None
    values: tuple[str | int | float | bool, ...] = ()

    @model_validator(mode="after")
    def _one_named(self) -> "Label":
        if self.negative is not None and self.positive != 1:
            raise ValueError(
                f"positive is {self.positive!r} and negative {self.negative!r}: give one"
            )
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class WideSignal:
    """Columns with the samples of one signal.

    Attributes:
        first: Column of the first sample, such as `t000`.
        last: Column of the last sample, such as `t151`; the columns between share their prefix
            and are ordered by their number.
    """

    first: Column
    last: Column


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Data:
    """Where the examples come from; exactly one of `path`, `sql` and `dataset`.

    Attributes:
        path: A file, a folder or a glob, relative to the YAML's folder. May hold TFX's `{SPAN}` (a
            whole number), `{DATE}` (YYYY-MM-DD, such as 2026-10-18; for other orders `{YYYY}`,
            `{MM}`, `{DD}`), `{VERSION}`. See docs/spans.md.
        sql: A table or a query of a database. See docs/databases.md.
        dataset: Name of a built-in data set, see `datasets/`.
        options: Options of the built-in data set.
        format: `csv`, `parquet` or `tfrecord`; by default from the suffix of the files.
        window: Number of latest spans to train on; by default all from `first_span` on, or only the
            latest without `first_span`. See docs/spans.md.
        first_span: First span to use.
        last_span: Last span to use, by default the latest.
        max_bad_rows: Rows that may be put in quarantine before the run stops.
        drop_duplicates: Whether to keep only one of several identical rows.
        wide_signals: Signals spread over columns: name of the signal to its columns.
        missing_values: Texts that mean a missing value, besides the empty field, in columns
            without marks of their own.
        columns: How the values of each column are written. A column that is not named here is
            read by its kind: plain numbers, ISO 8601 times, trimmed texts.
        encoding: Character encoding of CSV files.
        delimiter: Field delimiter of CSV files; by default detected in the header.
        decimal: Decimal mark of numbers in texts.
        thousands: Thousands separator of numbers in texts; by default there is none.
        header: Names of the columns of CSV files without a header.
        units_row: The row after the header of CSV files holds units and is skipped.
        skip_rows: Lines before the header of CSV files, such as those of an oscilloscope about the
            recording; where `header` is given, lines before the rows.
        recordings: How raw recordings become rows; by default a row of the data is an example. The
            keys above say how the raw tables are written.
        path_columns: Columns of the table with paths of pictures, sounds or signals, by name. See
            docs/mixed_tables.md.
    """

    path: str | None = None
    sql: Sql | None = None
    dataset: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    format: Literal["csv", "parquet", "tfrecord"] | None = None
    window: Annotated[int, Field(ge=1)] | None = None
    first_span: Annotated[int, Field(ge=0)] | None = None
    last_span: Annotated[int, Field(ge=0)] | None = None
    max_bad_rows: Annotated[int, Field(ge=0)] = 0
    drop_duplicates: bool = False
    wide_signals: dict[str, WideSignal] = Field(default_factory=dict)
    missing_values: tuple[str, ...] = (
        *("NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"),
        *("<NA>", "NaT", "\\N", "#N/A", "(null)"),  # pandas, MySQL and PostgreSQL, Excel, Oracle
    )
    columns: dict[str, ColumnFormat] = Field(default_factory=dict)
    encoding: str = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    decimal: Decimal = "."
    thousands: Thousands | None = None
    header: tuple[Column, ...] | None = None
    units_row: bool = False
    skip_rows: Annotated[int, Field(ge=0)] = 0
    recordings: Recordings | None = None
    path_columns: dict[str, PathColumn] = Field(default_factory=dict)

    _no_password = field_validator("path")(check_no_password)

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            return codecs.lookup(encoding).name
        except LookupError as error:
            raise ValueError(f"is not an encoding that Python supports: {encoding!r}") from error

    @model_validator(mode="after")
    def _one_source(self) -> "Data":
        if [self.path, self.sql, self.dataset].count(None) != 2:
            raise ValueError("needs exactly one of `path`, `sql` and `dataset`")
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        first, last = self.first_span, self.last_span
        if first is not None and last is not None and first > last:
            raise ValueError(f"first_span must be <= last_span, got {first} and {last}")
        if self.sql is not None:
            self._check_sql()
        if self.recordings is not None:
            self._check_recordings()
        if self.path_columns:
            self._check_path_columns()
        return self

    def _check_path_columns(self) -> None:
        if self.path is None:
            raise ValueError("`path_columns` needs `path`, the table with the paths")
        if self.format == "tfrecord":
            raise ValueError("`path_columns` describes tables, and not `format: tfrecord`")
        for name in ("recordings", "window", "first_span", "last_span"):
            if getattr(self, name):
                raise ValueError(f"`{name}` does not go with `path_columns`; remove one of them")

    def _check_sql(self) -> None:
        for name in ("format", "recordings", "header", "units_row", "skip_rows", "delimiter"):
            if getattr(self, name):
                raise ValueError(f"`{name}` describes files and does not go with `sql`; remove it")

    def _check_recordings(self) -> None:
        for name in ("format", "window", "first_span", "last_span", "wide_signals"):
            if getattr(self, name):
                raise ValueError(f"`{name}` does not go with `recordings`; remove it")

    @property
    def csv_layout(self) -> CsvLayout:
        """Layout of the CSV files."""
        return CsvLayout(
            encoding=self.encoding,
            delimiter=self.delimiter,
            header=self.header,
            units_row=self.units_row,
            skip_rows=self.skip_rows,
        )

    @property
    def has_window(self) -> bool:
        """Whether training may use several spans; if not, it uses the last one."""
        if self.window is not None:
            return self.window > 1
        return self.first_span is not None and self.first_span != self.last_span


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Split:
    """Assignment of examples to `train`, `eval` and `test`.

    Attributes:
        strategy: `stratified` keeps the label's ratio exactly; `group` keeps all examples of one
            `column` value in one split; `time` puts the oldest in train and the newest in test;
            `blocks` keeps neighbouring rows of a file in one split, for rows in recording order
            whose neighbours are similar.
        column: The group or time column; unused by `stratified`, not allowed by `blocks`.
        block_rows: Rows of a block, > 0; for `blocks` only. A run of equal labels up to this
            length is never cut.
        eval_within_groups: For `group` with fewer groups than splits: `test` gets whole groups,
            and `eval` some examples of the groups of `train`, stratified by the label. Examples
            then count as independent, so that every interval describes the groups of `test` alone,
            not new ones.
        train: Share of the train split, > 0.
        eval: Share of the eval split, > 0; the three shares sum to 1.
        test: Share of the test split, > 0.
    """

    strategy: Literal["stratified", "group", "time", "blocks"] = "stratified"
    column: str | None = None
    block_rows: Annotated[int, Field(gt=0)] | None = None
    eval_within_groups: bool = False
    train: Annotated[float, Field(gt=0, lt=1)] = 0.75
    eval: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test: Annotated[float, Field(gt=0, lt=1)] = 0.10

    @model_validator(mode="after")
    def _consistent(self) -> "Split":
        if abs(self.train + self.eval + self.test - 1) > 1e-9:
            raise ValueError(f"shares must sum to 1, got {self.train}, {self.eval}, {self.test}")
        if self.strategy in {"group", "time"} and not self.column:
            raise ValueError(f"strategy `{self.strategy}` needs `column`")
        if self.strategy == "blocks" and self.block_rows is None:
            raise ValueError("strategy `blocks` needs `block_rows`, the number of rows of a block")
        if self.strategy == "blocks" and self.column:
            raise ValueError(
                f"strategy `blocks` splits rows by position, not by `column` ({self.column}); "
                "remove `column`, or use `group` or `time`"
            )
        if self.strategy != "blocks" and self.block_rows is not None:
            raise ValueError(
                f"`block_rows` is for strategy `blocks` only, got strategy `{self.strategy}`; "
                "remove `block_rows` or change the strategy"
            )
        if self.eval_within_groups and self.strategy != "group":
            raise ValueError(
                f"`eval_within_groups` is for strategy `group` only, got strategy "
                f"`{self.strategy}`; remove `eval_within_groups` or change the strategy"
            )
        return self

    @property
    def dependent_by(self) -> str | None:
        """The column whose equal values mark dependent examples: the group or block."""
        return None if self.eval_within_groups else group_column(self.strategy, self.column)


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Validation(JsonValue):
    """Limits of AnomalyGate.

    Attributes:
        max_gap_share: Largest share of recordings with missing or non-finite samples, in [0, 1].
        max_wrong_rate_share: Largest share of recordings whose rate is off the nominal one by
            more than 1 %, in [0, 1].
        drift: Whether drift from the data accepted before, or from an earlier span, stops the run
            (`stop`) or is a warning (`warn`), after which later data are compared with the new
            ones.
        min_drift: Smallest distance that matters, in [0, 1]: Kolmogorov-Smirnov's of numbers,
            changes of shares of categories, positives and missing values. A smaller change of a
            category's share or of that of positives matters if it is half of the share.
        drift_ignore: Columns that may drift, such as a season's temperature.
    """

    max_gap_share: Share = 0.05
    max_wrong_rate_share: Share = 0.05
    drift: Literal["stop", "warn"] = "stop"
    min_drift: Share = 0.1
    drift_ignore: tuple[Column, ...] = ()


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Threshold:
    """Rule for the alarm threshold, chosen on `eval`: at most one rule.

    Without a rule it is the threshold of `cost`, and without `cost` that of the best F1.

    Attributes:
        best_f1: The highest F1 that the calibrated probabilities expect, also where `cost` is
            given.
        recall_at_false_alarm_rate: The highest recall with at most this share of the healthy
            examples raising an alarm, in (0, 1).
        precision_at_recall: The highest precision with at least this recall, in (0, 1).
        false_alarms_per_day: The lowest threshold with at most this many false alarms in a healthy
            day, > 0; for windows of streams.
        confidence: Probability that new examples keep the rate or recall of the rule, in (0, 1).
            An `eval` too small for it stops the run.
    """

    best_f1: Literal[True] | None = None
    recall_at_false_alarm_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision_at_recall: Annotated[float, Field(gt=0, lt=1)] | None = None
    false_alarms_per_day: Annotated[float, Field(gt=0)] | None = None
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.9

    @model_validator(mode="after")
    def _one_rule(self) -> "Threshold":
        rules = asdict(self)
        del rules["confidence"]
        named = [name for name, value in rules.items() if value is not None]
        if len(named) > 1:
            raise ValueError(f"takes one rule, got {' and '.join(f'`{name}`' for name in named)}")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Evaluation:
    """Measurements of the Evaluator besides the whole test split.

    Attributes:
        slices: Each entry is a list of columns; each combination of their values is reported. An
            entry of the list may also be one value, a range, or a recording trouble.
        confidence: Two-sided confidence of every interval and of the gate, in [0.5, 1).
        cross_fit: Number of folds for cross-fitting, from 3 to 10, for few faults: every example of
            train and eval is predicted by a model that did not see it. By default there is none.
    """

    slices: tuple[Annotated[tuple[SliceEntry, ...], Field(min_length=1)], ...] = ()
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    cross_fit: Annotated[int, Field(ge=3, le=10)] | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Bars:
    """Absolute requirements on metrics; none by default.

    Attributes:
        recall: Minimum share of the faults found, in (0, 1).
        precision: Minimum share of the alarms that are faults, in (0, 1).
        pr_auc: Minimum area under the precision-recall curve, in (0, 1).
        roc_auc: Minimum area under the ROC curve, in (0, 1).
        brier: Maximum Brier score, in (0, 1).
        expected_cost: Maximum cost per 1,000 examples; needs `cost`.
        event_recall: Minimum share of the events found, in (0, 1). This bar and the next two are
            for windows of streams, see docs/streams.md.
        false_alarms_per_hour: Maximum number of false alarms in a healthy hour, > 0.
        delay_s: Maximum of the median time from an event's start to its alarm, in s, > 0.
    """

    recall: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision: Annotated[float, Field(gt=0, lt=1)] | None = None
    pr_auc: Annotated[float, Field(gt=0, lt=1)] | None = None
    roc_auc: Annotated[float, Field(gt=0, lt=1)] | None = None
    brier: Annotated[float, Field(gt=0, lt=1)] | None = None
    expected_cost: Annotated[float, Field(gt=0)] | None = None
    event_recall: Annotated[float, Field(gt=0, lt=1)] | None = None
    false_alarms_per_hour: Annotated[float, Field(gt=0)] | None = None
    delay_s: Annotated[float, Field(gt=0)] | None = None

    @property
    def given(self) -> dict[str, float]:
        """The bars that are set, by metric."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class GateSlice:
    """Bars that every slice by the given columns must meet.

    Attributes:
        columns: Columns with one value per row, each combination of values being a slice; or a
            selector that replaces a column, as in `evaluation.slices`.
        bars: The bars of each slice.
    """

    columns: Annotated[tuple[SliceEntry, ...], Field(min_length=1)]
    bars: Bars

    @model_validator(mode="after")
    def _some_bar(self) -> "GateSlice":
        if not self.bars.given:
            raise ValueError("`bars` sets no bar; add one, such as `recall`, or remove the slices")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Gate:
    """Requirements that a model must meet before it is pushed.

    Attributes:
        min_pr_auc_gain: PR-AUC on test must exceed the prevalence, which is the PR-AUC of a
            model with no skill, by this share of the way to 1, in [0, 1].
        max_pr_auc_drop: PR-AUC may be below that of the latest blessed model and of the anchor, on
            the same examples, by this share of their gain over the prevalence, in [0, 1]. With
            `cost` the cost is compared instead.
        max_cost_rise: The cost may be this share above that of the latest blessed model and of the
            anchor, in [0, 1].
        bars: Bars over the whole test split.
        slices: Bars for slices.
        on_inconclusive: Treatment of an inconclusive model: `keep` keeps the served one, `ask`
            waits for `faultline approve`, `shadow` pushes it beside the served one.
    """

    min_pr_auc_gain: Share = 0.05
    max_pr_auc_drop: Share = 0.05
    max_cost_rise: Share = 0.05
    bars: Bars = Field(default_factory=Bars)
    slices: tuple[GateSlice, ...] = ()
    on_inconclusive: Literal["keep", "ask", "shadow"] = "keep"


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class MlflowTracking:
    """Export of runs to a local MLflow store, and of pushed versions to its model registry.

    Attributes:
        store: A folder, or `sqlite:///FILE`; relative paths are relative to the output folder, so
            that `../mlflow` is a store beside it, which several projects may share.
        experiment: Name of MLflow's experiment; by default the use case's.
        registry: Whether pushed versions are registered as versions of a model.
    """

    store: Annotated[str, Field(min_length=1)] = "mlflow"
    experiment: Annotated[str, Field(min_length=1)] | None = None
    registry: bool = True

    @field_validator("store")
    @classmethod
    def _on_this_machine(cls, store: str) -> str:
        if "://" in store and not store.startswith("sqlite:///"):
            raise ValueError("must be a folder of this machine or sqlite:///FILE")
        parts = Path(os.path.normpath(store.removeprefix("sqlite:///"))).parts
        if not parts or parts[0] in _ROOMS_OF_RUNS:
            raise ValueError(
                "must be no folder that runs themselves write; name one of its own, such as mlflow"
            )
        return store


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class WandbTracking:
    """Export of runs to files of Weights & Biases in the output folder, without a network.

    Attributes:
        project: Name of the project in W&B; by default the use case's.
    """

    project: Annotated[str, Field(pattern=r"^[^/\\#?%:]{1,128}$")] | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class OpenLineageTracking:
    """Export of runs as OpenLineage events, to a file or to a server.

    Attributes:
        file: File that gets an event a line, relative to the output folder; not with `url`.
        url: A server, such as `http://localhost:5000`; events go to its `/api/v1/lineage`.
        namespace: Namespace of the jobs.
        api_key_env: Environment variable with the server's API key; without it, none is sent.
    """

    file: Annotated[str, Field(min_length=1)] = "openlineage.jsonl"
    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+(/\S*)?$")] | None = None
    namespace: Annotated[str, Field(min_length=1)] = "faultline"
    api_key_env: Annotated[str, Field(min_length=1)] = "OPENLINEAGE_API_KEY"

    _no_password = field_validator("url")(check_no_password)


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Tracking:
    """Export of runs besides ML Metadata. A tracker that fails does not fail the run.

    Attributes:
        mlflow: Export to MLflow; by default there is none.
        wandb: Export to Weights & Biases; by default there is none.
        openlineage: Export as OpenLineage events; by default there is none.
        tensorboard: Whether each run writes TensorBoard's log folder of all runs again, as
            `faultline runs tensorboard` does.
    """

    mlflow: MlflowTracking | None = None
    wandb: WandbTracking | None = None
    openlineage: OpenLineageTracking | None = None
    tensorboard: bool = False


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Beam:
    """The engine of `beam_runner.py` for data-parallel steps; `faultline run` uses this machine.

    Attributes:
        engine: Engine that runs the steps; `local` is this machine.
        options: Beam's options for that engine, such as `job_endpoint: "flink:8099"`.
        artifacts: Folder or bucket of the artifacts, by default in the output folder; workers on
            other machines need a bucket.
    """

    engine: Literal["local", "flink", "spark", "dataflow"] = "local"
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    artifacts: str | None = None

    _no_password = field_validator("artifacts")(check_no_password)


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Config:
    """One use case.

    Attributes:
        name: Name of the use case, of its pipeline and of its served model.
        label: The label.
        data: Where the examples come from.
        features: The features table: column name to kind and options.
        schema: Path of the curated schema, relative to the YAML's folder; by default the inferred
            schema is used, and the run says so.
        split: Assignment of examples to the splits.
        validation: Limits of AnomalyGate.
        sampling: Which negatives of the train split are omitted; none by default.
        train: Training options.
        tuning: Search for better training options; by default there is none.
        calibration: How the corrected logits become probabilities, fitted on eval: `platt` (slope
            and intercept, good with few positives), `temperature` (slope alone), `isotonic` (any
            rising function, 200 positives or more), `none` (the correction alone).
        cost: Costs of decisions, if given.
        threshold: Rule for the alarm threshold.
        evaluation: Slices and the confidence of intervals.
        gate: Requirements for blessing a model.
        metadata: The ML Metadata database.
        tracking: Export of runs besides it.
        beam: The engine of `beam_runner.py`.
        kubeflow: Resources and retries of the tasks of `kubeflow_runner.py`.
        automation: How much is decided without a person.
        gateway: The gateway of `faultline serve --gateway`.
        rollout: How a pushed model takes over from the served one.
        collection: How `faultline serve` records requests. Without it, only the servers behind the
            gateway record, with the defaults.
        monitoring: How `faultline monitor` watches the served model.
        retraining: When `faultline loop` trains a new model.
        card: Statements on the model card.
        signing: Keys of signed models; by default models are not signed.
        seed: Seed of splits, initial weights and batches.
        folder: The YAML's folder; set by the loader.
    """

    name: Name
    label: Label
    data: Data
    features: Annotated[dict[str, Feature], Field(min_length=1)]
    schema: str | None = None
    split: Split = Field(default_factory=Split)
    validation: Validation = Field(default_factory=Validation)
    sampling: Sampling | None = None
    train: TrainOptions = Field(default_factory=TrainOptions)
    tuning: Tuning | None = None
    calibration: CalibrationMethod = "platt"
    cost: Cost | None = None
    threshold: Threshold = Field(default_factory=Threshold)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    gate: Gate = Field(default_factory=Gate)
    metadata: Metadata = Field(default_factory=Metadata)
    tracking: Tracking = Field(default_factory=Tracking)
    beam: Beam = Field(default_factory=Beam)
    kubeflow: KubeflowOptions = Field(default_factory=KubeflowOptions)
    automation: AutomationOptions = Field(default_factory=AutomationOptions)
    gateway: GatewayOptions = Field(default_factory=GatewayOptions)
    rollout: RolloutOptions = Field(default_factory=RolloutOptions)
    collection: Collection | None = None
    monitoring: MonitoringOptions = Field(default_factory=MonitoringOptions)
    retraining: RetrainingOptions = Field(default_factory=RetrainingOptions)
    card: CardOptions = Field(default_factory=CardOptions)
    signing: SigningOptions | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    folder: Path = Path()

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        if self.label.column in self.features:
            raise ValueError(f"the label `{self.label.column}` must not be among `features`")
        for name, cross in features_lib.of_kind(self.features, features_lib.Crossed).items():
            _check_cross(name, cross, self.features)
        if self.data.has_window and self.split.strategy == "group":
            raise ValueError(
                "split.strategy `group` splits the groups of each span separately: a group that "
                "comes in several spans would be in train and in test. With data.window or "
                "data.first_span use another strategy"
            )
        _check_recordings(self)
        check_path_columns(self.data.path_columns, self.features, self.label.column)
        if self.sampling is not None:
            check_sampling(self.sampling, self.features)
        if self.collection is not None:
            check_collection(self.collection, self.features)
        check_augmentation(self.train.augmentation, self.features)
        check_model(self.train)
        check_monotone(self.features, self.train)
        if self.train.hard_negatives is not None and self.calibration == "none":
            raise ValueError(
                "train.hard_negatives distorts the probabilities, which only a calibration can "
                "correct; set `calibration` to `platt`, or remove hard_negatives"
            )
        _check_cross_fit(self)
        if self.tuning is not None:
            check_tuning(self.tuning, self.train)
        _check_prices(self)
        _check_events(self)
        _check_troubles(self)
        if self.name.endswith(SHADOW_SUFFIX):
            raise ValueError(
                f"name must not end in `{SHADOW_SUFFIX}`, got `{self.name}`: this suffix is for "
                "models that are pushed beside the served one"
            )
        return self

    @property
    def slices(self) -> dict[str, Slice]:
        """The slices that are reported or that the gate checks, by their key in the YAML."""
        reported = {f"evaluation.slices.{i}": s for i, s in enumerate(self.evaluation.slices)}
        watched = {
            f"gate.slices.{i}.columns": part.columns for i, part in enumerate(self.gate.slices)
        }
        return {key: make_slice(entries) for key, entries in (reported | watched).items()}

    @property
    def model_spec(self) -> ModelSpec:
        """The part of this config that Transform and Trainer need."""
        return ModelSpec(
            label=self.label.column,
            features=self._features_of_network,
            train=self.train,
            calibration=self.calibration,
            threshold=self.threshold_rule,
            seed=self.seed,
            folds=self.fold_rule,
            cross_fit=self.evaluation.cross_fit,
        )

    @property
    def _features_of_network(self) -> dict[str, Feature]:
        """The features table with the whole paths of saved models."""
        return {
            name: replace(feature, backbone=str(tidy_path(self.folder / feature.backbone)))
            if isinstance(feature, features_lib.Image) and feature.backbone is not None
            else feature
            for name, feature in self.features.items()
        }

    @property
    def fold_rule(self) -> FoldRule:
        """How examples are dealt to folds: as the split deals them."""
        strategy, column = self.split.strategy, self.split.column
        if self.split.eval_within_groups:  # train may have a single group
            return FoldRule(strategy="stratified", column=None)
        return FoldRule(
            strategy=strategy, column=column if strategy == "time" else self.split.dependent_by
        )

    @property
    def threshold_rule(self) -> ThresholdRule:
        """The threshold's rule: the given one, else that of the costs, else the best F1."""
        asked = self.threshold
        if asked.recall_at_false_alarm_rate is not None:
            return ThresholdRule(
                kind="recall_at_false_alarm_rate",
                value=asked.recall_at_false_alarm_rate,
                confidence=asked.confidence,
            )
        if asked.precision_at_recall is not None:
            return ThresholdRule(
                kind="precision_at_recall",
                value=asked.precision_at_recall,
                confidence=asked.confidence,
            )
        if asked.false_alarms_per_day is not None:
            return ThresholdRule(
                kind="false_alarms_per_day",
                value=asked.false_alarms_per_day,
                confidence=asked.confidence,
            )
        if self.cost is not None and not asked.best_f1:
            return ThresholdRule(kind="given", value=self.cost.threshold)
        return ThresholdRule()

    @property
    def schema_path(self) -> Path | None:
        """The curated schema's path, or None."""
        return None if self.schema is None else tidy_path(self.folder / self.schema)


def _check_cross_fit(config: Config) -> None:
    if config.evaluation.cross_fit is None:
        return
    if config.sampling is not None:
        raise ValueError(
            "evaluation.cross_fit predicts every example of train and eval, but `sampling` omits "
            "negatives of train, so that the predictions would not have the natural prevalence. "
            "Remove `cross_fit` or `sampling`: with so many negatives, folds cost too much"
        )
    stopping = config.train.trees.stopping
    if config.train.model != "network" and stopping != "out_of_fold":
        raise ValueError(
            "evaluation.cross_fit chooses the number of trees on its folds, but "
            f"train.trees.stopping is `{stopping}`. Remove `stopping`, or `cross_fit`"
        )


def _check_recordings(config: Config) -> None:
    recordings, split = config.data.recordings, config.split
    if recordings is not None:
        check_recordings(recordings, config.label.column)
        check_windows(recordings, split.strategy, eval_within_groups=split.eval_within_groups)


def _check_prices(config: Config) -> None:
    if config.tuning and config.tuning.objective == "expected_cost" and config.cost is None:
        raise ValueError("tuning.objective `expected_cost` needs the prices in `cost`")
    asked = [config.gate.bars, *(part.bars for part in config.gate.slices)]
    if config.cost is None and any(bars.expected_cost is not None for bars in asked):
        raise ValueError("gate has a bar `expected_cost`, but `cost` is not set")
    if config.cost is None and config.retraining.triggers.cost_per_day is not None:
        raise ValueError("retraining.triggers.cost_per_day is set, but `cost` is not set")


def _check_events(config: Config) -> None:
    if config.data.recordings is not None and config.data.recordings.form == "stream":
        return
    asked = [config.gate.bars, *(part.bars for part in config.gate.slices)]
    by_event = ("event_recall", "false_alarms_per_hour", "delay_s")
    given = {name for bars in asked for name in bars.given}
    named = [f"gate has a bar `{name}`" for name in by_event if name in given]
    if config.threshold.false_alarms_per_day is not None:
        named.append("threshold.false_alarms_per_day is set")
    if named:
        raise ValueError(
            f"{named[0]}, which counts events of streams, but data.recordings.form is not `stream`"
            "; see docs/streams.md"
        )


def _check_troubles(config: Config) -> None:
    signals = features_lib.of_kind(config.features, features_lib.Signal).values()
    kinds = {feature.kind for feature in config.features.values()}
    for key, parts in config.slices.items():
        for trouble in {part.trouble for part in parts if part.trouble is not None}:
            own = TROUBLE_KINDS[trouble]
            if kinds.isdisjoint(own):
                raise ValueError(
                    f"{key} names the recording trouble `{trouble}`, which only the kind "
                    f"{' or '.join(f'`{kind}`' for kind in own)} has, but `features` has no "
                    f"{' and no '.join(own)}; name a column instead"
                )
            is_given = "audio" in kinds or any(s.rate_column is not None for s in signals)
            if trouble == "wrong sampling" and not is_given:
                raise ValueError(
                    f"{key} names the recording trouble `wrong sampling`, but no signal in "
                    "`features` has a `rate_column`, the column of the true rate"
                )


def _check_cross(name: str, cross: features_lib.Crossed, table: features_lib.FeatureTable) -> None:
    for part in cross.of:
        if not isinstance(table.get(part), features_lib.Categorical | features_lib.Bucketized):
            raise ValueError(
                f"features.{name}.of names `{part}`, which is not a categorical or bucketized "
                "feature of this table"
            )
