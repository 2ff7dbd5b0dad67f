from pipeline.running.stepping.graph import StepGraph

GRAPH = StepGraph({"Write": (), "Copy": ("Write",)})


def test_what_was_written_is_read(tmp_path):
    (tmp_path / "graph.json").write_text(GRAPH.to_json())
    assert StepGraph.read(tmp_path / "graph.json") == GRAPH


def test_the_digest_depends_on_steps_and_order():
    others = [
        StepGraph({"Write": (), "Copy": ()}),
        StepGraph({"Copy": ("Write",), "Write": ()}),
        StepGraph({"Write": ()}),
    ]
    assert GRAPH.digest not in {other.digest for other in others}
    assert GRAPH.digest == StepGraph({"Write": (), "Copy": ("Write",)}).digest
