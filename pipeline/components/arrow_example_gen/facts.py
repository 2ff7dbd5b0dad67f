"""Key figures of ArrowExampleGen, for the terminal and the run's summary."""

from collections.abc import Mapping
from typing import Any

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties
from pipeline.config import SPLITS
from pipeline.counting import count


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    values = properties(artifacts[0])
    positives = sum(values[f"num_positives_{split}"] for split in SPLITS)
    parts = [f"{count(values['num_rows'], 'row')}, {positives:,} positive"]
    more = (_put_aside(values), _dropped(values, positives), values.get("remarks", ""))
    parts += [text for text in more if text]
    return Fact("; ".join(parts), values | {"num_positives": positives})


def _put_aside(values: Mapping[str, Any]) -> str:
    bad, unlabelled = values.get("num_bad_rows", 0), values.get("num_unlabelled", 0)
    text = f"{bad + unlabelled:,} in quarantine" if bad + unlabelled else ""
    if unlabelled:
        share = unlabelled / (values["num_rows"] + bad + unlabelled)
        kinds = [f"{bad:,} bad"] if bad else []
        kinds.append(f"{unlabelled:,} without a label ({share:.1%} of all rows), in no split")
        text += f": {', '.join(kinds)}"
    return text


def _dropped(values: Mapping[str, Any], positives: int) -> str:
    """Describes how many duplicates were dropped and how this changes the prevalence."""
    duplicates = values.get("num_duplicates", 0)
    if not duplicates:
        return ""
    text = f"{count(duplicates, 'duplicate')} dropped"
    before = values.get("num_positives_read", 0) / (values["num_rows"] + duplicates)
    after = positives / values["num_rows"]
    return text + f" (prevalence {before:.4f} before, {after:.4f} after)" if before else text
