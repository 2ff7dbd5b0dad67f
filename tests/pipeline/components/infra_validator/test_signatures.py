from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from pipeline.components.infra_validator.signatures import check_signatures


def signature(*inputs: str, outputs: tuple[str, ...] = ("probability", "decision")) -> SignatureDef:
    definition = SignatureDef()
    for name in inputs:
        definition.inputs[name].name = f"{name}:0"
    for name in outputs:
        definition.outputs[name].name = f"{name}:0"
    return definition


GOOD = {"serving_default": signature("speed"), "serve_examples": signature("examples")}


def test_both_signatures_without_the_label_are_well():
    assert check_signatures(GOOD, "faulty") == []


def test_a_signature_that_asks_for_the_label_is_named():
    signatures = GOOD | {"serving_default": signature("speed", "faulty")}
    [problem] = check_signatures(signatures, "faulty")
    assert problem.startswith("Signature `serving_default` asks for the label `faulty`")


def test_a_missing_signature_is_named():
    signatures = {"serving_default": GOOD["serving_default"]}
    assert check_signatures(signatures, "faulty") == [
        "The model has no signature `serve_examples`."
    ]


def test_a_missing_output_is_named():
    signatures = GOOD | {"serve_examples": signature("examples", outputs=("probability",))}
    [problem] = check_signatures(signatures, "faulty")
    assert "`serve_examples` lacks the output ['decision']; it has ['probability']" in problem
