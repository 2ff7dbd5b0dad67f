from common.run_ids import span_run_id, whole_run_id


def test_a_part_of_a_run_names_its_run_and_its_span():
    part = span_run_id("20261123-103729-wells", 7)
    assert part == "20261123-103729-wells.span-7"
    assert whole_run_id(part) == whole_run_id("20261123-103729-wells") == "20261123-103729-wells"
