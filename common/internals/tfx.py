"""Private names of TFX."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tfx.components.infra_validator import executor as infra_executor
from tfx.components.transform import executor as transform_executor
from tfx.orchestration.portable import cache_utils
from tfx.types.artifact import Artifact

VERSION = "1.21"
# Attribute of TFX's launcher that chooses a step's folders.
OUTPUT_RESOLVER = "_output_resolver"
NAMES = (
    "tfx.components.infra_validator.executor:_mark_blessed",
    "tfx.components.infra_validator.executor:_mark_not_blessed",
    "tfx.components.transform.executor:TransformProcessor._CreateTFXIO",
    "tfx.components.transform.executor:_Dataset",
    # What our launcher overrides or reads.
    "tfx.orchestration.portable.cache_utils:get_cached_outputs",
    f"tfx.orchestration.portable.launcher:Launcher().{OUTPUT_RESOLVER}",
    "tfx.orchestration.portable.launcher:Launcher()._mlmd_connection",
    "tfx.orchestration.portable.launcher:Launcher()._pipeline_node",
    "tfx.orchestration.portable.launcher:Launcher()._system_node_handler",
    "tfx.orchestration.portable.launcher:Launcher._prepare_execution",
    "tfx.orchestration.portable.launcher:Launcher._publish_successful_execution",
    "tfx.orchestration.portable.launcher:Launcher._run_executor",
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


@contextmanager
def cached_outputs_by(
    is_usable: Callable[[Any, Mapping[str, list[Artifact]]], bool],
) -> Iterator[None]:
    """Makes TFX's cache offer only results that pass a check while the context is open.

    Args:
        is_usable: Metadata handle and output artifacts to whether they may be used. Where it says
            no, it has taken an artifact out of the live ones, so that the cache does not offer it
            again.
    """
    stock = cache_utils.get_cached_outputs

    def get_cached_outputs(metadata_handle: Any, cache_context: Any) -> Any:
        while (outputs := stock(metadata_handle, cache_context)) is not None:
            if is_usable(metadata_handle, outputs):
                break
        return outputs

    cache_utils.get_cached_outputs = get_cached_outputs
    try:
        yield
    finally:
        cache_utils.get_cached_outputs = stock
