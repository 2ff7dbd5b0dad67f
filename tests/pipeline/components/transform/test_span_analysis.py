"""The analysis of a window from the spans' own parts, beside TFX's analysis of all rows at once."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor
from tfx.types import standard_artifacts
from tfx.utils import json_utils

from models.features import Bucketized, Categorical, Numeric, features_to_json
from models.inputs.transform_graph import transform_examples
from pipeline.components.transform.executor import Executor
from pipeline.components.transform.span_analysis import merge_caches
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from tests.example_files import write_split

FEATURES = {
    "pressure": Numeric(),
    "age": Bucketized(num_buckets=4),
    "maker": Categorical(),
}
SCHEMA = """
feature { name: "pressure" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "age" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "maker" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "faulty" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
"""
ROWS = 60


def _records(span: int) -> list[bytes]:
    """Rows of a span; its makers are `m0` to `mSPAN`."""
    random = np.random.default_rng(span)
    records = []
    for row in range(ROWS):
        feature = tf.train.Features()
        feature.feature["pressure"].float_list.value.append(200 + 20 * random.normal())
        feature.feature["age"].float_list.value.append(random.uniform())
        feature.feature["maker"].bytes_list.value.append(f"m{row % (span + 1)}".encode())
        feature.feature["faulty"].int64_list.value.append(row % 2)
        example = tf.train.Example(features=feature)
        records.append(example.SerializeToString(deterministic=True))
    return records


def _examples(folder, span: int, records: list[bytes]) -> standard_artifacts.Examples:
    write_split(folder, "train", records)
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = str(folder), '["train"]'
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    examples.set_string_custom_property("file_format", "tfrecords_gzip")
    examples.mlmd_artifact.custom_properties["span"].int_value = span
    examples.set_int_custom_property("num_rows_train", len(records))
    return examples


class Analyser:
    """Runs the executor in folders of its own."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.schema = standard_artifacts.Schema()
        self.schema.uri = str(folder / "schema")
        (folder / "schema").mkdir()
        (folder / "schema" / "schema.pbtxt").write_text(SCHEMA)

    def run(self, name: str, examples, *, cache=None, cached: bool = True):
        """Returns the transform graph and, if `cached`, the cache that was written."""
        graph, written = standard_artifacts.TransformGraph(), standard_artifacts.TransformCache()
        graph.uri, written.uri = f"{self.folder}/{name}/graph", f"{self.folder}/{name}/cache"
        context = base_beam_executor.BaseBeamExecutor.Context(
            beam_pipeline_args=list(LOCAL_BEAM_ARGS),
            tmp_dir=f"{self.folder}/{name}/tmp",
            unique_id="1",
        )
        config = {"label": "faulty", "features": features_to_json(FEATURES)}
        Executor(context).Do(
            {
                "examples": examples,
                "schema": [self.schema],
                **({"analyzer_cache": [cache]} if cache else {}),
            },
            {
                "transform_graph": [graph],
                **({"updated_analyzer_cache": [written]} if cached else {}),
            },
            {
                "preprocessing_fn": "models.inputs.preprocessing.preprocessing_fn",
                "custom_config": json_utils.dumps(config),
                "disable_statistics": 1,
                "force_tf_compat_v1": 0,
            },
        )
        return graph, written


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Graphs of spans 1 and 2, then of 2 and 3 with the cache of the first, by name."""
    folder = tmp_path_factory.mktemp("spans")
    analyse = Analyser(folder).run
    spans = {n: _examples(folder / f"span-{n}", n, _records(n)) for n in (1, 2, 3)}
    first, cache = analyse("first", [spans[1], spans[2]])
    graphs = {"first": first}
    graphs["next"], _ = analyse("next", [spans[2], spans[3]], cache=cache)
    graphs["afresh"], _ = analyse("afresh", [spans[2], spans[3]])
    rows = _examples(folder / "rows", 3, _records(2) + _records(3))
    graphs["rows"], _ = analyse("rows", [rows], cached=False)
    return graphs


def _analysed(graph) -> tuple[list[int], int]:
    spans = json.loads(graph.get_string_custom_property("spans_analysed"))
    return spans, graph.get_int_custom_property("num_rows_analysed")


def _transformed(graph) -> dict[str, np.ndarray]:
    """Rows of all three spans, through the graph."""
    records = _records(1) + _records(2) + _records(3)
    return {name: value.numpy() for name, value in transform_examples(graph.uri, records).items()}


def _vocabulary(graph) -> list[bytes]:
    [path] = tf.io.gfile.glob(f"{graph.uri}/transform_fn/assets/*")
    return tf.io.gfile.GFile(path, "rb").read().splitlines()


def test_only_spans_that_no_earlier_analysis_holds_are_read(story):
    assert _analysed(story["first"]) == ([1, 2], 2 * ROWS)
    assert _analysed(story["next"]) == ([3], ROWS)
    assert _analysed(story["afresh"]) == ([2, 3], 2 * ROWS)


def test_with_the_cache_the_result_is_bit_for_bit_the_one_without(story):
    cached, afresh = _transformed(story["next"]), _transformed(story["afresh"])
    assert cached.keys() == afresh.keys()
    for name, values in cached.items():
        np.testing.assert_array_equal(values, afresh[name], err_msg=name)
    assert _vocabulary(story["next"]) == _vocabulary(story["afresh"])


def test_the_result_is_that_of_all_rows_at_once(story):
    spans, rows = _transformed(story["next"]), _transformed(story["rows"])
    for name, values in spans.items():
        # Sums of float64 in another order; the rest is exact, quantiles of so few rows included.
        np.testing.assert_allclose(values, rows[name], rtol=0, atol=1e-6, err_msg=name)
    assert _vocabulary(story["next"]) == _vocabulary(story["rows"])


def test_a_span_that_left_the_window_leaves_no_trace(story):
    # Span 1 has makers m0 and m1 and span 3 has m0 to m3.
    assert len(_vocabulary(story["next"])) == 4
    first, following = _transformed(story["first"]), _transformed(story["next"])
    assert any(not np.array_equal(first[name], following[name]) for name in first)


def test_parts_of_different_analyses_are_not_merged(tmp_path):
    from common.internals.tft import cache_manifest

    for key, entries in {"a": {b"sum": 0}, "b": {b"quantiles": 0}}.items():
        cache_manifest(str(tmp_path / key)).write(entries)
    with pytest.raises(ValueError, match="analysed differently: \\['a'\\]"):
        merge_caches(str(tmp_path), ["a", "b"], str(tmp_path / "merged"))
