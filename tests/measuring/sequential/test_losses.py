"""Loss differences: in the order of the requests, whatever the order of the labels."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from measuring.sequential import losses
from measuring.sequential.losses import LossDifferences


def make(miss=1.0, false_alarm=0.25):
    return LossDifferences(miss=miss, false_alarm=false_alarm)


def add(differences, values, *, first=0, counted=True):
    answers = [(f"q{first + i}", 0) for i in range(len(values))]
    flags = np.full(len(values), counted)
    return differences.add(answers, np.array(values), flags).tolist()


def test_equal_decisions_need_no_label():
    assert add(make(), [0, 0, 0]) == [[0.0] * 3, [0.0] * 3]


def test_a_request_without_label_holds_up_the_later_ones():
    differences = make()
    assert add(differences, [0, 1, 0, -1, 0]) == [[0.0], [0.0]]
    assert differences.num_waiting == 2
    # The label of the second one does not help the first.
    assert differences.label([(("q3", 0), True)]).shape == (2, 0)
    # q1: the candidate's alarm was right, the stable model missed: -1. q3: the candidate missed: 1.
    taken = differences.label([(("q1", 0), True)])
    assert taken.tolist() == [[-1.0, 0.0, 1.0, 0.0]] * 2
    assert differences.num_waiting == 0
    assert differences.num_labelled == 2


def test_the_losses_of_a_healthy_row_are_those_of_false_alarms():
    differences = make()
    add(differences, [1, -1])
    taken = differences.label([(("q0", 0), False), (("q1", 0), False)])
    assert taken.tolist() == [[0.25, -0.25]] * 2


def test_a_repeated_difference_does_not_count_against_the_candidate():
    differences = make()
    add(differences, [1], counted=False)
    assert differences.label([(("q0", 0), False)]).tolist() == [[0.25], [0.0]]


def test_a_label_may_come_before_its_request():
    differences = make()
    differences.label([(("q0", 0), True)])
    assert add(differences, [1]) == [[-1.0], [-1.0]]


def test_the_first_label_of_a_request_counts():
    differences = make()
    add(differences, [1, 1])
    differences.label([(("q1", 0), True)])
    differences.label([(("q1", 0), False)])
    assert differences.label([(("q0", 0), True)]).tolist() == [[-1.0, -1.0]] * 2


def test_too_many_waiting_requests_count_against_each_decision(monkeypatch):
    monkeypatch.setattr(losses, "MAX_WAITING", 1)
    differences = make()
    # A candidate's alarm: at worst a false alarm, 0.25; at best a fault found, -1.
    assert add(differences, [1, -1]) == [[0.25], [-1.0]]
    # A stable alarm: at worst the candidate missed, 1; at best it gave no false alarm, -0.25.
    assert add(differences, [0, 1], first=2) == [[1.0, 0.0], [-0.25, 0.0]]


@given(
    st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.booleans()), max_size=30),
    st.randoms(use_true_random=False),
)
def test_every_order_of_labels_gives_the_same_differences(requests, random):
    labels = [((f"q{i}", 0), positive) for i, (_, positive) in enumerate(requests)]
    # Worked out one by one: miss 1, false alarm 0.25.
    expected = [0 if not d else d * (-1.0 if y else 0.25) for d, y in requests]
    random.shuffle(labels)
    differences, taken = make(), []
    for place, (difference, _) in enumerate(requests):
        taken += add(differences, [difference], first=place)[0]
        if random.random() < 0.5 and labels:
            taken += differences.label([labels.pop()])[0].tolist()
        if random.random() < 0.1:
            early = dict(differences._early)
            differences = make().with_state(json.loads(json.dumps(differences.to_state())))
            differences.label(early.items())
    taken += differences.label(labels)[0].tolist()
    assert taken == expected


def test_a_request_with_the_id_of_a_waiting_one_is_left_out():
    differences = make()
    answers = [("a", 0), ("b", 0), ("a", 0)]
    differences.add(answers, np.array([1, 0, 1]), np.ones(3, dtype=np.bool_))
    # The first alarm is a fault found, -1; then the request with equal decisions.
    assert differences.label([(("a", 0), True)])[0].tolist() == [-1.0, 0.0]
    assert differences.num_waiting == 0
