"""The client against the embedded server over gRPC and REST: types, versions, states, errors."""

import asyncio

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from serving.client import AsyncClient, Client, InputMismatchError, RowError, ServingClientError

pytestmark = pytest.mark.tensorflow

WIRES = ["grpc", "rest"]


@pytest.fixture(scope="module")
def addresses(models, tmp_path_factory):
    """Addresses by wire; `half_plus_two` has versions 1 and 2, labelled `stable` and `canary`."""
    from serving.options import ServerOptions
    from serving.server import ModelServer

    entries = "".join(
        f"config {{ name: '{name}' base_path: '{models / name}' model_platform: 'tensorflow' }}\n"
        for name in ("mixed", "two_outputs", "scalar_output", "matrix")
    )
    half = (
        f"config {{ name: 'half_plus_two' base_path: '{models / 'half_plus_two'}' "
        "model_platform: 'tensorflow' model_version_policy { all {} } "
        "version_labels { key: 'stable' value: 1 } version_labels { key: 'canary' value: 2 } }"
    )
    path = tmp_path_factory.mktemp("config") / "models.config"
    path.write_text(f"model_config_list {{ {entries} {half} }}")
    options = ServerOptions(
        model_config_file=str(path),
        port=0,
        rest_api_port=-1,
        allow_version_labels_for_unavailable_models=True,
    )
    with ModelServer(options) as server:
        yield {
            "grpc": f"grpc://127.0.0.1:{server.grpc_port}",
            "rest": f"http://127.0.0.1:{server.rest_port}",
        }


@pytest.fixture(params=WIRES)
def address(request, addresses):
    return addresses[request.param]


ROWS = [
    {"f": [1.5, 2.0], "d": 0.25, "i32": 3, "i64": 2**40, "flag": True, "text": "é"},
    {"f": [-1.0, 0.0], "d": 1e-3, "i32": -3, "i64": -1, "flag": False, "text": b"\xff\x00"},
]


@pytest.mark.parametrize("form", [list, pd.DataFrame])
def test_every_type_goes_there_and_back(form, address):
    with Client(address, model="mixed") as client:
        predictions = client.predict(form(ROWS))
    # 1.5 + 2 + 0.25 + 3 + 2**40, and -1 + 0 + 0.001 - 3 - 1
    assert predictions["sum"].tolist() == pytest.approx([2**40 + 6.75, -4.999])
    assert predictions["sum"].dtype == np.float64
    assert predictions["flipped"].tolist() == [False, True]
    assert predictions["text_bytes"].tolist() == ["é".encode(), b"\xff\x00"]
    assert predictions["text"].tolist() == ["é".encode(), b"\xff\x00"]
    assert predictions["row"].tolist() == [[1.5, 2.0], [-1.0, 0.0]]


def test_an_arrow_table_goes_in_batches(address):
    table = pa.table({"x": np.arange(1000, dtype=np.float32)})
    with Client(address, model="half_plus_two", batch_size=64) as client:
        predictions = client.predict(table)
    assert predictions["y"].tolist() == (np.arange(1000) / 2 + 3).tolist()


def test_missing_numbers_arrive_as_nan(address):
    with Client(address, model="half_plus_two") as client:
        assert np.isnan(client.predict([{"x": 1.0}, {"x": None}])["y"]).tolist() == [False, True]


def test_versions_and_labels(address):
    with Client(address, model="half_plus_two") as client:

        def ask(**which):
            return client.predict([{"x": 1.0}], **which)["y"].tolist()

        # Version 1 adds 2, version 2 adds 3.
        assert ask() == ask(version=2) == ask(label="canary") == [3.5]
        assert ask(version=1) == ask(label="stable") == [2.5]
        assert client.metadata(label="stable").version == 1
        assert client.metadata().version == 2
        states = [(entry.version, entry.state, entry.error_code) for entry in client.status()]
        assert states == [(2, "AVAILABLE", "OK"), (1, "AVAILABLE", "OK")]
        assert [entry.version for entry in client.status(version=1)] == [1]


def test_metadata_tells_inputs_and_outputs(address):
    with Client(address, model="mixed") as client:
        signature = client.metadata().signatures["serving_default"]
    assert signature.inputs["f"].shape == (-1, 2)
    assert {name: str(entry.dtype) for name, entry in signature.inputs.items()} == {
        "f": "float32",
        "d": "float64",
        "i32": "int32",
        "i64": "int64",
        "flag": "bool",
        "text": "object",
    }
    assert signature.method == "tensorflow/serving/predict"


def test_serialised_examples_by_a_signature_that_takes_them(address):
    import tensorflow as tf

    def example(x: float) -> bytes:
        feature = tf.train.Feature(float_list=tf.train.FloatList(value=[x]))
        features = tf.train.Features(feature={"x": feature})
        return tf.train.Example(features=features).SerializeToString()

    with Client(address, model="half_plus_two", batch_size=2) as client:
        examples = [example(x) for x in (0.0, 1.0, 2.0)]
        predictions = client.predict_examples(examples, signature="regress_x_to_y")
        assert predictions["outputs"].tolist() == [[3.0], [3.5], [4.0]]
        with pytest.raises(InputMismatchError, match="no signature `serve_examples`"):
            client.predict_examples(examples)


def test_unencodable_rows_are_refused_by_the_client(address):
    with Client(address, model="mixed") as client:
        with pytest.raises(RowError, match=r"Row 1 .*column `f`: found 1 value, expected a list"):
            client.predict([ROWS[0], ROWS[1] | {"f": [1.0]}])
        with pytest.raises(
            InputMismatchError, match="The model needs `f`, `flag`, `i32`, `i64`, `text`, which"
        ):
            client.predict([{"d": 1.0}])


@pytest.mark.parametrize(
    ("model", "which", "code", "words"),
    [
        ("absent", {}, "NOT_FOUND", "Servable not found for request: Latest(absent)"),
        ("half_plus_two", {"version": 9}, "NOT_FOUND", "Specific(half_plus_two, 9)"),
        ("half_plus_two", {"label": "x"}, "INVALID_ARGUMENT", "Unrecognized servable version"),
    ],
)
def test_a_refusal_of_the_server_has_its_code_and_text(address, model, which, code, words):
    with Client(address, model=model) as client:
        with pytest.raises(ServingClientError) as caught:
            client.predict([{"x": 1.0}], **which)
        assert caught.value.code == code
        assert words in caught.value.message


def test_an_error_of_the_graph_is_the_servers_text(address):
    with Client(address, model="matrix") as client:
        with pytest.raises(ServingClientError, match="Matrix size-incompatible") as caught:
            client.predict([{"x": [1.0, 2.0]}])
        assert caught.value.code == "INVALID_ARGUMENT"


def test_outputs_that_are_not_one_a_row_come_in_one_batch_only(address):
    rows = [{"x": 1.0}, {"x": 2.0}, {"x": 3.0}]
    with Client(address, model="scalar_output") as client:
        assert client.predict(rows)["y"] == 6.0
    with (
        Client(address, model="two_outputs", batch_size=2) as client,
        pytest.raises(ServingClientError, match="so its batches cannot be joined"),
    ):
        client.predict(rows)


def test_many_tasks_at_once(address):
    async def ask_all():
        async with AsyncClient(address, model="half_plus_two") as client:
            assert (await client.metadata()).version == 2
            assert [entry.version for entry in await client.status()] == [2, 1]
            calls = [client.predict([{"x": float(number)}]) for number in range(50)]
            return [answer["y"][0] for answer in await asyncio.gather(*calls)]

    assert asyncio.run(ask_all()) == [number / 2 + 3 for number in range(50)]
