"""Tests of what a model says of itself beside its graph."""

from serving.inference.model_facts import MODEL_INFO, ModelFacts, read_local_facts


def test_a_model_without_the_file_has_no_facts(tmp_path):
    assert read_local_facts(tmp_path) == ModelFacts()


def test_the_contract_in_a_model_names_its_columns_with_files(tmp_path):
    path = tmp_path / MODEL_INFO
    path.parent.mkdir()
    path.write_text('{"reading": {"media": ["image"]}, "threshold": 0.25}')
    assert read_local_facts(tmp_path) == ModelFacts(media=frozenset({"image"}), threshold=0.25)
