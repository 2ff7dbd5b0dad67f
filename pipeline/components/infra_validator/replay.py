"""Replay of examples through a server, compared with the Trainer's predictions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from common.example_files import read_serialised
from models.exporting.export import SERVE_EXAMPLES, SERVING_DEFAULT
from models.inputs.raw_columns import columns_from_examples
from serving.client import Client, ServingClientError

# Training and serving use different batches: float32 sums in another order.
TOLERANCE = 1e-5
_BATCH_ROWS = 32

Ask = Callable[[Sequence[bytes]], NDArray[Any]]


@dataclass(frozen=True)
class Sample:
    """Examples and the Trainer's predictions for them.

    Attributes:
        examples: Serialised tf.Examples, without the label.
        rows: Row of each in its split.
        probabilities: float64 `[n]`.
    """

    examples: Sequence[bytes]
    rows: Sequence[int]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class Replay:
    """The result of a replay.

    Attributes:
        num_requests: Requests sent.
        max_difference: Largest difference from the Trainer's probability.
        problems: What is wrong, a sentence each.
    """

    num_requests: int
    max_difference: float
    problems: tuple[str, ...]


def take_sample(
    files: Sequence[str], probabilities: NDArray[np.float64], *, label: str, max_rows: int
) -> Sample:
    """Returns evenly spaced rows of a split, without their label.

    Args:
        files: The split's gzip TFRecords, in order.
        probabilities: float64 `[n]`, the Trainer's, in the order of the files.
        label: The label column.
        max_rows: Upper limit of the sample's size.
    """
    size = len(probabilities)
    chosen = np.unique(np.linspace(0, size - 1, min(size, max_rows)).astype(int))
    examples, start = [], 0
    for batch in read_serialised(*files):
        here = chosen[(chosen >= start) & (chosen < start + len(batch))] - start
        examples += [_without(record, label) for record in batch[here]]
        start += len(batch)
    return Sample(examples=examples, rows=chosen.tolist(), probabilities=probabilities[chosen])


def _without(serialised: bytes, label: str) -> bytes:
    example = tf.train.Example.FromString(serialised)
    example.features.feature.pop(label, None)
    return bytes(example.SerializeToString(deterministic=True))


def replay(
    sample: Sample, clients: Mapping[str, Client], inputs: Mapping[str, TensorInfo]
) -> Replay:
    """Sends every example by every protocol and signature, and compares the answers.

    Args:
        sample: The examples.
        clients: A client by the name of its protocol.
        inputs: The inputs of `serving_default`.
    """
    differences, problems, num_requests = [0.0], [], 0
    for wire, client in clients.items():
        for signature, ask in _asks(client, inputs):
            where = f"`{signature}` over {wire}"
            try:
                answers, sent = _ask_all(ask, sample.examples)
            except ServingClientError as error:
                problems.append(f"{where} gives no answer: {error}")
                continue
            num_requests += sent
            difference = np.abs(answers - sample.probabilities)
            # NaN counts as a difference.
            difference[np.isnan(difference)] = np.inf
            differences.append(float(difference.max()))
            problems += _described(where, difference, answers, sample)
    return Replay(num_requests, max(differences), tuple(problems))


def _asks(client: Client, inputs: Mapping[str, TensorInfo]) -> Iterator[tuple[str, Ask]]:
    def by_columns(examples: Sequence[bytes]) -> NDArray[Any]:
        columns = columns_from_examples(examples, inputs)
        rows = [
            {name: column[number] for name, column in columns.items()}
            for number in range(len(examples))
        ]
        return client.predict(rows, signature=SERVING_DEFAULT)["probability"]

    def by_examples(examples: Sequence[bytes]) -> NDArray[Any]:
        answer = client.predict_examples(list(examples), signature=SERVE_EXAMPLES)
        return answer["probability"]

    yield SERVING_DEFAULT, by_columns
    yield SERVE_EXAMPLES, by_examples


def _ask_all(ask: Ask, examples: Sequence[bytes]) -> tuple[NDArray[np.float64], int]:
    parts = [
        ask(examples[start : start + _BATCH_ROWS]) for start in range(0, len(examples), _BATCH_ROWS)
    ]
    return np.concatenate(parts).astype(np.float64).reshape(-1), len(parts)


def _described(
    where: str,
    difference: NDArray[np.float64],
    answers: NDArray[np.float64],
    sample: Sample,
) -> Iterator[str]:
    wrong = int((difference > TOLERANCE).sum())
    if not wrong:
        return
    worst = int(difference.argmax())
    yield (
        f"{where} differs from the Trainer's own model in {wrong} of {len(answers)} examples; "
        f"worst in row {sample.rows[worst]} of the eval split: {answers[worst]:.6f} against "
        f"{sample.probabilities[worst]:.6f}, and {TOLERANCE:g} is allowed."
    )
