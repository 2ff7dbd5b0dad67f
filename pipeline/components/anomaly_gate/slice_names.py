"""Checks of the configured slices against the data, before training."""

import difflib
from collections.abc import Iterator, Mapping

from pydantic import TypeAdapter
from tensorflow_metadata.proto.v0 import schema_pb2

from common.errors import InputError
from pipeline.config import Config
from pipeline.slicing import Slice, SlicePart

_ADAPTER: TypeAdapter[dict[str, Slice]] = TypeAdapter(dict[str, Slice])


def slices_to_json(config: Config) -> str:
    """Returns the slices of a use case by their YAML key, as JSON.

    With a window of spans, only the newest is checked: a value may be in another span, a column may
    not.
    """
    slices = config.slices
    if config.data.has_window:
        slices = {key: tuple(map(_without_value, parts)) for key, parts in slices.items()}
    return _ADAPTER.dump_json(slices).decode()


def _without_value(part: SlicePart) -> SlicePart:
    return part if part.value is None else SlicePart(column=part.column)


def check_slices(slices: str, inferred: schema_pb2.Schema) -> None:
    """Checks that the data have the columns and values that slices name.

    Values are checked for text columns with few distinct values. ModelGate checks whether the test
    split has enough examples.

    Args:
        slices: The result of `slices_to_json`.
        inferred: The schema inferred from the data.

    Raises:
        InputError: Names each YAML key, the missing column or value, and the closest match.
    """
    features = {feature.name: feature for feature in inferred.feature}
    domains = {domain.name: list(domain.value) for domain in inferred.string_domain}
    problems = [
        f"{key} {problem}"
        for key, parts in _ADAPTER.validate_json(slices).items()
        for part in parts
        if part.column is not None
        for problem in _problems(part, part.column, features, domains)
    ]
    if problems:
        raise InputError("\n".join(problems))


def _problems(
    part: SlicePart,
    column: str,
    features: Mapping[str, schema_pb2.Feature],
    domains: Mapping[str, list[str]],
) -> Iterator[str]:
    feature = features.get(column)
    if feature is None:
        near = _nearest(column, list(features))
        yield f"names the column `{column}`, which the data do not have{near}"
        return
    is_text = feature.type == schema_pb2.BYTES
    if _num_values(feature) > 1:
        yield (
            f"names `{column}`, which has up to {_num_values(feature)} values a row. Name columns "
            "with one value a row."
        )
    elif part.is_range and is_text:
        yield f"takes a range of `{column}`, which holds texts. Name its values: `value`."
    elif part.value is not None and is_text:
        known = list(feature.string_domain.value) or domains.get(feature.domain, [])
        if known and part.key_value not in known:
            near = _nearest(str(part.key_value), known)
            yield f"names the value `{part.value}`, which no row has in `{column}`{near}"
    elif part.value is not None and not _is_number(part.value):
        yield f"names the value `{part.value}`, but `{column}` holds numbers."


def _num_values(feature: schema_pb2.Feature) -> int:
    sizes = [dim.size for dim in feature.shape.dim]
    return int(max([feature.value_count.max, *sizes]))


def _is_number(value: str | float) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    listed = ", ".join(f"`{known_name}`" for known_name in sorted(names)[:20])
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"; did you mean `{near[0]}`?" if near else f"; there are {listed}{more}"
