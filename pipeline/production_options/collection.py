"""Options for the recording of production requests."""

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue
from models.features import FeatureTable, raw_feature_names
from serving.headers import KEY_HEADER
from serving.recording.options import RecordingOptions

Megabytes = Annotated[float, Field(gt=0)]
# What may be redacted besides the features: the record's column with the sticky key.
KEY_COLUMN = "key"


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Collection(JsonValue):
    """Which requests `faultline serve` records, in `collected/NAME/` of the output folder.

    Attributes:
        share: Share of the requests, in (0, 1]; drawn by their ids, so that both servers of a
            rollout draw the same ones. Requests with a positive decision are always recorded.
        redact: Columns that must not be stored: `drop` leaves one out, `hash` stores a keyed hash
            of each value. A column is a feature, or `key`, the sticky key of rollouts.
        max_mb: Largest size of the recorded files in MB; the oldest are deleted first.
        max_file_mb: Size of a file in MB from which on a new one is begun; 4 of them must fit into
            `max_mb`.
        max_queue_mb: Largest size of the requests in MB that wait to be recorded; beyond it,
            requests are answered but not recorded.
        prediction_log: Whether Predict requests are also written as TFRecord files of TensorFlow
            Serving's PredictionLog; not together with `redact`.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    redact: dict[str, Literal["drop", "hash"]] = Field(default_factory=dict)
    max_mb: Megabytes = 10_000.0
    max_file_mb: Megabytes = 64.0
    max_queue_mb: Megabytes = 64.0
    prediction_log: bool = False

    @model_validator(mode="after")
    def _accepted_by_the_server(self) -> "Collection":
        self.recording()
        return self

    def recording(self, *, key_header: str = KEY_HEADER) -> RecordingOptions:
        """Returns these options as the server takes them.

        Args:
            key_header: The header with the sticky key: `rollout.key_header`.
        """
        return RecordingOptions(**asdict(self), key_header=key_header)


def recorded_share(collection: Collection | None) -> float:
    """Returns the share of the requests that are recorded: all without a section `collection`."""
    return 1.0 if collection is None else collection.share


def redacted(collection: Collection | None) -> tuple[str, ...]:
    """Returns the columns whose values are not recorded as they are: dropped or hashed."""
    return () if collection is None else tuple(collection.redact)


def check_collection(collection: Collection, features: FeatureTable) -> None:
    """Checks that every redacted column is recorded at all.

    Raises:
        ValueError: A column is neither a feature nor `key`.
    """
    recorded = {*raw_feature_names(features), KEY_COLUMN}
    for column in collection.redact:
        if column not in recorded:
            raise ValueError(
                f"collection.redact names `{column}`, which is not recorded: it is neither a "
                f"feature nor `{KEY_COLUMN}`. Remove it, or correct its name"
            )
