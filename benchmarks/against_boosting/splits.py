"""One split of a use case: its examples and its transform graph, as `faultline run` makes them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from ruamel.yaml import YAML

from benchmarks.reference import read_split as read_raw
from common.example_files import split_files
from common.metadata import connection_config
from common.output_folder import open_output
from models.exporting.scorers import Scorer
from models.features import Signal, raw_feature_names
from models.inputs.encoding import LABEL_NAME
from models.inputs.transform_graph import TransformGraph
from models.model_spec import ModelSpec
from models.train_options import Kind
from models.training.data import TREES_KEY, make_transform, read_eval, read_split, read_train
from models.training.fitting import ModelData
from models.trees.inputs import TreeInputs
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.reading.data_source import find_source

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A use case with one seed, after Transform.

    Attributes:
        spec: What the model is trained on.
        examples: Folder of the examples.
        graph: Folder of the transform graph.
    """

    spec: ModelSpec
    examples: Path
    graph: Path

    def files(self, split: str) -> list[str]:
        """Returns the files of a split."""
        return list(split_files(str(self.examples), split))

    def model_data(self, kind: Kind) -> ModelData:
        """Returns what `train_model` takes for a kind of model."""
        train = replace(self.spec.train, model=kind)
        if kind == "trees":
            train = replace(train, augmentation={})  # of the network alone
        spec = replace(self.spec, train=train)
        graph = TransformGraph(self.graph, spec)
        inputs = TreeInputs(spec.features, graph.vocabulary)
        transform = make_transform(
            graph,
            trees=inputs if kind != "network" else None,
            network=kind != "trees",
            folds=spec.folds,
        )
        return ModelData(
            graph=graph,
            spec=spec,
            train=read_train(self.files("train"), transform, graph, spec),
            evaluation=read_eval(self.files("eval"), transform, spec),
            tree_inputs=inputs,
        )

    def test_logits(self, graph: TransformGraph, scorer: Scorer) -> tuple[Floats, Labels]:
        """Returns the logits and the labels of the test split, each `[n]`."""
        import tensorflow as tf

        from common.example_files import example_dataset

        spec = {**graph.raw_spec, **graph.label_spec}

        @tf.function(autograph=False)
        def predict(serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            transformed = graph(tf.io.parse_example(serialised, spec))
            return scorer.in_graph(transformed)[:, 0], transformed[LABEL_NAME][:, 0]

        parts = [predict(batch) for batch in example_dataset(*self.files("test"), batch_rows=4_096)]
        logits = np.concatenate([part[0].numpy() for part in parts])
        labels = np.concatenate([part[1].numpy() for part in parts])
        return logits.astype(np.float64), labels.astype(np.int64)

    def labels(self, split: str) -> Labels:
        """Returns the labels of a split, 0 or 1, `[n]`."""
        graph = TransformGraph(self.graph, self.spec)
        transform = make_transform(graph, network=False)
        return read_split(self.files(split), transform).labels.astype(np.int64)

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Returns the raw columns of the features by split; signals as the trees' summaries."""
        graph = TransformGraph(self.graph, self.spec)
        inputs = TreeInputs(self.spec.features, graph.vocabulary)
        transform = make_transform(graph, trees=inputs, network=False)
        signals = {n for n, f in self.spec.features.items() if isinstance(f, Signal)}
        raw_names = [n for n in raw_feature_names(self.spec.features) if n not in signals]
        rate_columns = {getattr(self.spec.features[n], "rate_column", None) for n in signals}
        names = [name for name in raw_names if name not in rate_columns]
        tables = {}
        for split in ("train", "eval", "test"):
            raw = read_raw(self.examples, split)
            table = pd.DataFrame({name: raw[name] for name in names if name in raw})
            if signals:
                summaries = _summaries(self.files(split), transform, inputs, signals)
                table = pd.concat([table, summaries], axis=1)
            tables[split] = table
        return tables


def _summaries(
    files: list[str], transform: Any, inputs: TreeInputs, signals: set[str]
) -> pd.DataFrame:
    values = read_split(files, transform).inputs[TREES_KEY][:]
    places = [i for i, column in enumerate(inputs.columns) if column.feature in signals]
    return pd.DataFrame(values[:, places], columns=[inputs.columns[i].name for i in places])


def prepare(config_path: Path, folder: Path, seed: int) -> Prepared:
    """Runs the pipeline up to Transform with another seed, which deals the rows anew.

    Args:
        config_path: The config; all of it but the seed and the kind of model is kept.
        folder: Folder for the output.
        seed: The seed.
    """
    config = _with_seed(config_path, folder, seed)
    output = open_output(folder / "output")
    source = find_source(config, output)
    from pipeline.create import create_pipeline
    from pipeline.running.runner import compile_pipeline, run_steps

    connection = connection_config(config.metadata, output.root, os.environ)
    compiled = compile_pipeline(create_pipeline(config, source, output, connection), "prepared")
    for step in run_steps(compiled, connection, on_start=lambda _: None, beside=()):
        if step.name == "ArrowExampleGen":
            examples = Path(step.outputs["examples"][0].uri)
        if step.name == "Transform":
            graph = Path(step.outputs["transform_graph"][0].uri)
            break
    return Prepared(spec=config.model_spec, examples=examples, graph=graph)


def _with_seed(config_path: Path, folder: Path, seed: int) -> Config:
    document = YAML().load(config_path)
    document["seed"] = seed
    document.setdefault("train", {})["model"] = "auto"
    for section, key in ((document, "schema"), (document["data"], "path")):
        if key in section:
            section[key] = str((config_path.parent / section[key]).resolve())
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / config_path.name
    YAML().dump(document, written)
    return load_config(written)
