"""Private names of TFX."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tfx.components.infra_validator import executor as infra_executor
from tfx.components.transform import executor as transform_executor
from tfx.types.artifact import Artifact

VERSION = "1.21"
NAMES = (
    "tfx.components.infra_validator.executor:_mark_blessed",
    "tfx.components.infra_validator.executor:_mark_not_blessed",
    "tfx.components.transform.executor:TransformProcessor._CreateTFXIO",
    "tfx.components.transform.executor:_Dataset",
    # What our executors inherit.
    "tfx.dsl.components.base.base_executor:BaseExecutor._get_tmp_dir",
    "tfx.dsl.components.base.base_executor:BaseExecutor._log_startup",
    "tfx.dsl.components.base.base_beam_executor:BaseBeamExecutor._make_beam_pipeline",
    "tfx.dsl.components.base.base_beam_executor:BaseBeamExecutor()._beam_pipeline_args",
)


def mark_infra_blessing(blessing: Artifact, *, blessed: bool) -> None:
    """Writes the file and the property by which TFX's Pusher reads an InfraBlessing."""
    if blessed:
        infra_executor._mark_blessed(blessing)
    else:
        infra_executor._mark_not_blessed(blessing)


def analyzer_cache_key(file_pattern: str) -> str:
    """Returns the folder of a data set in the analyzer cache that TFX's Transform writes."""
    return str(transform_executor._Dataset(file_pattern, None, None, None).dataset_key.key)


@contextmanager
def transform_reading_by(create_source: Callable[[str, Any], Any]) -> Iterator[None]:
    """Makes TFX's Transform read its examples from another source while the context is open.

    TFX names its processor in one place, and has no argument for another.

    Args:
        create_source: File pattern and schema to the `TFXIO` to read by.
    """
    stock = transform_executor.TransformProcessor

    class Processor(stock):  # type: ignore[misc,valid-type]
        def _CreateTFXIO(self, dataset: Any, schema: Any) -> Any:  # noqa: N802
            return create_source(dataset.file_pattern, schema)

    transform_executor.TransformProcessor = Processor
    try:
        yield
    finally:
        transform_executor.TransformProcessor = stock
