"""The curated schema that goes with a proposal, in text form."""

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from models.features import Categorical, Feature, HeavyTailed, Numeric, Signal, Time
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.proposal import Proposal

_MAX_DOMAIN = 100  # texts; more are an open set
_MIN_ROWS_A_VALUE = 20  # below, the set has hardly been seen whole
# New values are honest now and then; one in twenty rows is not.
_MIN_DOMAIN_MASS = 0.95
_MAX_DRIFT = 0.3  # largest change of a value's share from one span to the next
_MAX_COMPARED = 5
# A column may be present this much less often than now before a run stops.
_PRESENCE_KEPT = 0.5
_MIN_PRESENCE_CHECKED = 0.1


def schema_text(proposal: Proposal) -> str:
    """Returns a `tensorflow.metadata.v0.Schema` in text form, with every column of the examples."""
    schema = schema_pb2.Schema(default_environment=["TRAINING", "SERVING"])
    for name in proposal.wide_signals:
        _add_signal(schema, name, proposal.features[name][0], always_there=True)
    num_compared = 0
    for name, column in proposal.table.columns.items():
        if name in proposal.samples or "none" in column.tally.kinds:
            continue  # samples are in their signal; what no example can hold is not in examples
        feature = proposal.features.get(name, (None, ""))[0]
        if isinstance(feature, Signal):
            _add_signal(schema, name, feature, always_there=column.num_missing == 0)
            continue
        entry = _add_column(schema, column, feature, is_time=proposal.is_time(name))
        if _is_closed(column, feature):
            _add_domain(schema, entry, column, compare=num_compared < _MAX_COMPARED)
            num_compared += 1
    _add_label(schema, proposal.label)
    text: str = text_format.MessageToString(schema, as_utf8=True)
    return (
        "# What the examples must look like; a run stops on data that differ. Written by\n"
        "# `faultline init`; columns that are no features are here because the data has them.\n\n"
        f"{text}"
    )


def _add_signal(
    schema: schema_pb2.Schema, name: str, feature: Feature, *, always_there: bool
) -> None:
    assert isinstance(feature, Signal)  # noqa: S101 - narrows the type
    entry = schema.feature.add(name=name, type=schema_pb2.FLOAT)
    if always_there:
        entry.presence.min_fraction = 1.0
    entry.presence.min_count = 1
    entry.shape.dim.add(size=feature.num_samples)


def _add_column(
    schema: schema_pb2.Schema, column: Column, feature: Feature | None, *, is_time: bool
) -> schema_pb2.Feature:
    entry = schema.feature.add(name=column.name, type=_type(column, feature, is_time=is_time))
    if column.kind in ("list", "other"):
        entry.value_count.min = 0
        return entry
    if feature is None and not is_time:  # the model does without it, and so may the data
        entry.value_count.min, entry.value_count.max = 0, 1
        return entry
    entry.presence.min_count = 1
    missing = column.missing_share
    if isinstance(feature, Numeric | HeavyTailed):
        missing = max(missing, 1 - _num_numbers(column) / column.num_rows)
    if missing == 0:
        entry.presence.min_fraction = 1.0
        entry.shape.dim.add(size=1)
        return entry
    if 1 - missing >= _MIN_PRESENCE_CHECKED:
        entry.presence.min_fraction = round((1 - missing) * _PRESENCE_KEPT, 2)
    entry.value_count.min, entry.value_count.max = 0, 1
    return entry


def _num_numbers(column: Column) -> int:
    tally = column.tally
    return (
        tally.num_present - tally.num_infinite - (tally.num_texts if column.kind == "mixed" else 0)
    )


def _type(column: Column, feature: Feature | None, *, is_time: bool) -> "schema_pb2.FeatureType":
    kinds = column.tally.kinds
    if is_time or isinstance(feature, Time) or column.kind in ("int", "time"):
        return schema_pb2.INT
    if column.kind == "mixed" and isinstance(feature, Numeric):
        return schema_pb2.INT if column.tally.all_int else schema_pb2.FLOAT
    if column.kind == "list":
        return schema_pb2.INT if kinds <= {"int list", "empty"} else schema_pb2.FLOAT
    return schema_pb2.FLOAT if column.kind == "float" else schema_pb2.BYTES


def _is_closed(column: Column, feature: Feature | None) -> bool:
    """Whether the column holds a small set of texts that the data shows whole."""
    texts = column.tally.texts
    return (
        isinstance(feature, Categorical)
        and column.kind == "text"
        and column.tally.texts_complete
        and 0 < len(texts) <= _MAX_DOMAIN
        and column.tally.num_present >= _MIN_ROWS_A_VALUE * len(texts)
    )


def _add_domain(
    schema: schema_pb2.Schema, entry: schema_pb2.Feature, column: Column, *, compare: bool
) -> None:
    schema.string_domain.add(name=column.name, value=sorted(column.tally.texts))
    entry.domain = column.name
    entry.distribution_constraints.min_domain_mass = _MIN_DOMAIN_MASS
    if compare:
        entry.drift_comparator.infinity_norm.threshold = _MAX_DRIFT
        entry.skew_comparator.infinity_norm.threshold = _MAX_DRIFT


def _add_label(schema: schema_pb2.Schema, label: str) -> None:
    entry = schema.feature.add(name=label, type=schema_pb2.INT, not_in_environment=["SERVING"])
    entry.presence.min_fraction, entry.presence.min_count = 1.0, 1
    entry.shape.dim.add(size=1)
    entry.int_domain.min, entry.int_domain.max = 0, 1
    entry.int_domain.is_categorical = True
