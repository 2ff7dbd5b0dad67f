"""Parts of the logit of trees and of a blend, against the answers of the exported model."""

import dataclasses
from functools import cache, partial

import keras
import numpy as np
import pytest

from models.exporting.export import SERVING_DEFAULT, add_model_info, export_model, read_signatures
from models.exporting.scorers import BlendPart, BlendScorer, NetworkScorer, TreesScorer
from models.inputs.raw_columns import columns_from_examples
from models.inputs.transform_graph import TransformGraph
from models.probabilities.correction import LogitCorrection
from models.probabilities.probability import ProbabilityMap
from models.train_options import TreeOptions
from models.training.data import TREES_KEY, make_transform, read_split
from models.training.network import build_network
from models.trees.fitting import TreeData, grow, margins
from models.trees.forest import Forest
from models.trees.inputs import TreeInputs
from models.trees.saved import write_trees
from pipeline.explaining.attribution import (
    as_tensors,
    integrated_gradients,
    load_probability,
    mean_baseline,
)
from pipeline.explaining.logit_parts import load_logit_model, logit_parts, tree_parts
from tests.models import tiny_transform
from tests.models.tiny_transform import RAW_SPEC, ROWS, analyse, to_example, write_examples

# Wide enough that some unit lives at every input.
SPEC = dataclasses.replace(
    tiny_transform.SPEC,
    train=dataclasses.replace(tiny_transform.SPEC.train, hidden_units=(16,), filters=(16,)),
)
WEIGHTS = {"network": 0.4, "trees": 0.6}
CORRECTIONS = {
    "network": LogitCorrection(focal_gamma=2.0, class_weight=-1.5),
    "trees": LogitCorrection(class_weight=-0.5),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder with `transform` and the models `trees` and `blend`; the trees' own logits of ROWS."""
    folder = tmp_path_factory.mktemp("made")
    rows = [{name: row.get(name, []) for name in RAW_SPEC} for row in ROWS]
    analyse(rows, RAW_SPEC, SPEC, folder / "transform", summaries=True)
    graph = TransformGraph(folder / "transform", SPEC)
    inputs = TreeInputs(SPEC.features, graph.vocabulary)
    write_examples(folder / "rows.gz", 1)
    split = read_split([str(folder / "rows.gz")], make_transform(graph, trees=inputs))
    features = np.repeat(split.inputs[TREES_KEY], 30, axis=0)
    # Labels that no single column explains.
    labels = (np.random.default_rng(0).random(len(features)) < 0.3).astype(np.float32)
    labels[:30], labels[60:75] = 1, 1
    data = TreeData(features, labels, None, inputs.columns)
    options = TreeOptions(min_leaf_rows=0, column_share=0.3, parallel_trees=2)
    booster, _ = grow(data, options, rounds=25, seed=0)
    trees = TreesScorer(Forest.from_booster(booster), inputs)
    keras.utils.set_random_seed(1)
    network = NetworkScorer(build_network(graph.index_space, SPEC.train), graph.index_space)
    scorers = {"network": network, "trees": trees}
    blend = BlendScorer([BlendPart(scorers[n], CORRECTIONS[n], WEIGHTS[n]) for n in WEIGHTS])
    of_trees = ProbabilityMap(correction=CORRECTIONS["trees"])
    for name, scorer, probability in (
        ("trees", trees, of_trees),
        ("blend", blend, ProbabilityMap()),
    ):
        export_model(scorer, graph, folder / name, probability=probability, threshold=0.5)
        write_trees(folder / name, booster, inputs.columns)
    corrections = {name: dataclasses.asdict(one) for name, one in CORRECTIONS.items()}
    add_model_info(folder / "trees", {"model": {"model": "trees"}})
    facts = {"model": "blend", "weights": WEIGHTS, "corrections": corrections}
    add_model_info(folder / "blend", {"model": facts})
    return folder, margins(booster, data)[::30]


def _columns(folder, *rows):
    inputs = read_signatures(folder)[SERVING_DEFAULT].inputs
    return columns_from_examples([to_example(row) for row in rows], inputs)


# Loading takes seconds, and nothing changes a model.
_load_probability = cache(load_probability)
_load_logit_model = cache(partial(load_logit_model, spec=SPEC))


def _served_logits(folder, columns):
    probability = _load_probability(folder)(as_tensors(columns)).numpy().astype(float)
    return np.log(probability / (1 - probability))


def _load(made, kind):
    return _load_logit_model(made[0] / kind, made[0] / "transform")


@pytest.mark.parametrize("place", range(len(ROWS)))
def test_the_parts_of_the_trees_add_up_to_their_own_logit(made, place):
    folder, own = made
    columns = _columns(folder / "trees", ROWS[place])
    model = _load(made, "trees")
    usual, parts = tree_parts(model, columns)
    total = usual + sum(one.part for one in parts)
    assert total == pytest.approx(own[place] - 0.5, abs=1e-4)
    assert total == pytest.approx(_served_logits(folder / "trees", columns)[0], abs=1e-4)
    found = logit_parts(model, columns, columns, seed=0)
    assert found.logit == pytest.approx(total)
    assert set(found.errors.values()) == {0.0}
    assert set(found.parts) == set(columns)


def test_summaries_are_named_with_their_unit_and_grouped_under_their_signal(made):
    columns = _columns(made[0] / "trees", ROWS[1])
    found = logit_parts(_load(made, "trees"), columns, columns, seed=0)
    of_echo = [one for one in found.of_trees if one.feature == "echo"]
    assert len(of_echo) > 5
    assert found.parts["echo"] == pytest.approx(sum(one.part for one in of_echo))
    # 1, 4, 3: the mean is 8/3.
    assert {one.detail: one.value for one in of_echo}["mean"] == pytest.approx(8 / 3, rel=1e-5)
    assert any(one.part for one in found.of_trees if one.detail)
    [tool] = [one for one in found.of_trees if one.feature == "tool"]
    assert (tool.detail, tool.value, tool.unit) == ("", None, "")


@pytest.mark.parametrize("place", range(len(ROWS)))
def test_the_parts_of_a_blend_add_up_to_its_served_logit(made, place):
    folder = made[0] / "blend"
    columns, background = _columns(folder, ROWS[place]), _columns(folder, *ROWS)
    model = _load(made, "blend")
    found = logit_parts(model, columns, background, seed=0)
    assert found.usual + sum(found.parts.values()) == pytest.approx(found.logit, abs=1e-6)
    assert found.logit == pytest.approx(_served_logits(folder, columns)[0], abs=1e-4)
    # 0.6 of what the trees alone have.
    [alone] = [part for part in tree_parts(_load(made, "trees"), columns)[1] if _is_pressure(part)]
    [weighted] = [part for part in found.of_trees if _is_pressure(part)]
    assert weighted.part == pytest.approx(0.6 * alone.part)


def _is_pressure(part):
    return part.feature == "pressure [bar]"


def test_the_networks_share_in_a_blend_has_gradients(made):
    columns = _columns(made[0] / "blend", ROWS[0])
    model = _load(made, "blend")
    background = _columns(made[0] / "blend", *ROWS[:3])
    baseline = mean_baseline({name: background[name] for name in ("pulse", "echo")})
    found = integrated_gradients(model.network_logits, columns, baseline)
    assert min(np.abs(part).max() for part in found.parts.values()) > 1e-3
    assert abs(found.gap) < 1e-2


def test_a_network_has_no_such_parts(made, tmp_path):
    graph = TransformGraph(made[0] / "transform", SPEC)
    scorer = NetworkScorer(build_network(graph.index_space, SPEC.train), graph.index_space)
    export_model(scorer, graph, tmp_path / "m", probability=ProbabilityMap(), threshold=0.5)
    assert load_logit_model(tmp_path / "m", made[0] / "transform", SPEC) is None
