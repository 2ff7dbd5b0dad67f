"""Analysis of new spans only, by TFT's analyzer cache.

TFX gives TFT every span as a data set of its own, in one Beam graph: with 30 spans that graph alone
takes a minute to build and run, cached or not. Here a span that is new has a small graph of its
own, which writes the span's part of the cache; then one graph merges the parts of all spans, and
reads no examples. The cache on disk is what TFX writes: a folder a span, by TFT's data set key.

Every window is merged from the same parts in the order of the spans, so that a window gives the
same result bit for bit, whether its spans came one by one or all at once.
"""

import json
import logging
from collections.abc import Callable, Sequence

from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.types.artifact import Artifact
from tfx.utils import io_utils

from common.internals.tft import cache_manifest
from common.internals.tfx import analyzer_cache_key
from pipeline.components.example_validator.earlier_span import read_span

EXAMPLES_KEY = standard_component_specs.EXAMPLES_KEY
GRAPH_KEY = standard_component_specs.TRANSFORM_GRAPH_KEY
CACHE_IN_KEY = standard_component_specs.ANALYZER_CACHE_KEY
CACHE_OUT_KEY = standard_component_specs.UPDATED_ANALYZER_CACHE_KEY
SPANS_ANALYSED_KEY = "spans_analysed"
NUM_ROWS_ANALYSED_KEY = "num_rows_analysed"
_SPLIT = "train"
_progress = logging.getLogger("faultline.progress")

Artifacts = dict[str, list[Artifact]]
# Runs TFX's Transform and returns the file patterns that it read.
TransformFn = Callable[[Artifacts, Artifacts], list[str]]


def analyse_spans(
    transform: TransformFn, input_dict: Artifacts, output_dict: Artifacts, *, scratch: str
) -> None:
    """Writes the transform graph of all spans, and the cache for the next window.

    Args:
        transform: TFX's Transform; returns the file patterns that it read.
        input_dict: `examples`, an artifact a span in the order of the spans, `schema`, and an
            earlier `analyzer_cache` if there is one.
        output_dict: `transform_graph`, whose custom properties give the analysed spans and their
            number of rows, and `updated_analyzer_cache`.
        scratch: Folder for temporary files, accessible to workers.

    Raises:
        ValueError: An analyzer of the preprocessing cannot be cached.
    """
    spans = input_dict[EXAMPLES_KEY]
    [graph], [cache] = output_dict[GRAPH_KEY], output_dict[CACHE_OUT_KEY]
    earlier = input_dict.get(CACHE_IN_KEY) or []
    fileio.makedirs(cache.uri)
    inputs = {key: value for key, value in input_dict.items() if key != CACHE_IN_KEY}
    analysed = []
    for number, examples in enumerate(spans, start=1):
        if _reuse(dataset_key(examples), earlier, cache.uri):
            continue
        _progress.info("analysing span %d, %d of %d", read_span(examples), number, len(spans))
        draft = standard_artifacts.TransformGraph()
        draft.uri = f"{scratch}/graph-{number}"
        transform(inputs | {EXAMPLES_KEY: [examples]}, {GRAPH_KEY: [draft], CACHE_OUT_KEY: [cache]})
        analysed.append(examples)
        if not fileio.isdir(f"{cache.uri}/{dataset_key(examples)}"):
            break  # Without analyzers there is nothing to cache, nor to merge.
    merged = standard_artifacts.TransformCache()
    merged.uri = f"{scratch}/merged"
    merge_caches(cache.uri, [dataset_key(span) for span in spans], merged.uri)
    _progress.info("merging %d spans", len(spans))
    read = transform(
        inputs | {EXAMPLES_KEY: spans[-1:], CACHE_IN_KEY: [merged]}, {GRAPH_KEY: [graph]}
    )
    if read:
        raise ValueError(
            "The preprocessing has an analyzer that TFT cannot cache, so that a window of spans "
            "would be analysed by its last span alone. Use tft.sum, tft.vocabulary, tft.quantiles "
            "or others with a cache, none on the result of another; or set data.window to 1."
        )
    _describe(graph, analysed)


def dataset_key(examples: Artifact) -> str:
    """Returns the name of the folder of a span's part in TFX's analyzer cache."""
    folder = artifact_utils.get_split_uri([examples], _SPLIT)
    pattern = io_utils.all_files_pattern(folder)
    return analyzer_cache_key(pattern)


def _reuse(key: str, earlier: Sequence[Artifact], target: str) -> bool:
    """Copies a span's part from an earlier cache, if it has one."""
    for cache in earlier:
        if fileio.isdir(f"{cache.uri}/{key}"):
            io_utils.copy_dir(f"{cache.uri}/{key}", f"{target}/{key}")
            return True
    return False


def merge_caches(folder: str, keys: Sequence[str], target: str) -> None:
    """Writes the cache of one data set, the last, that holds the accumulators of all, in order.

    TFT merges all accumulators that it finds, from however many data sets. Concatenated gzip files
    are one gzip file.

    Args:
        folder: Holds a folder for each key.
        keys: Data sets in the order in which their accumulators are merged.
        target: Gets a folder by the name of the last key.

    Raises:
        ValueError: The data sets were not analysed in the same way.
    """
    manifests = {key: cache_manifest(f"{folder}/{key}").read() for key in keys}
    entries = list(manifests[keys[-1]])
    differing = [key for key in keys if set(manifests[key]) != set(entries)]
    if differing:
        raise ValueError(
            f"The analyzer cache in {folder} holds spans that were analysed differently: "
            f"{differing}. Delete that folder; the spans are then analysed anew."
        )
    if not entries:
        return
    merged = f"{target}/{keys[-1]}"
    fileio.makedirs(merged)
    for number, entry in enumerate(entries):
        with fileio.open(f"{merged}/{number}-00000-of-00001.gz", "wb") as file:
            for key in keys:
                parts = fileio.glob(f"{folder}/{key}/{manifests[key][entry]}-*-of-*")
                for part in sorted(parts):
                    with fileio.open(part, "rb") as source:
                        file.write(source.read())
    cache_manifest(merged).write({entry: number for number, entry in enumerate(entries)})


def _describe(graph: Artifact, analysed: Sequence[Artifact]) -> None:
    """Records which spans were read rather than taken from the cache."""
    graph.set_string_custom_property(
        SPANS_ANALYSED_KEY, json.dumps([read_span(examples) for examples in analysed])
    )
    rows = sum(examples.get_int_custom_property(f"num_rows_{_SPLIT}") for examples in analysed)
    graph.set_int_custom_property(NUM_ROWS_ANALYSED_KEY, rows)
