"""A small convolutional network on raw discharges, as a yardstick of what their shapes tell."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks import reference
from benchmarks.reference_signals import CONTEXT, LABEL, VERSION

EPOCHS, PATIENCE, BATCH_SIZE = 30, 8, 64

Floats = NDArray[np.floating[Any]]


def evaluate(splits: Mapping[str, Mapping[str, NDArray[Any]]], seed: int) -> dict[str, float]:
    """Trains on train, stops and takes the threshold on eval, and returns the figures on test."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(seed)
    inputs = prepare(splits)
    label = {name: columns[LABEL].astype(np.int64) for name, columns in splits.items()}
    model = _build(inputs["train"])
    weight = len(label["train"]) / 2.0 / np.bincount(label["train"])
    best, best_weights, waited = -1.0, model.get_weights(), 0
    for _ in range(EPOCHS):
        model.fit(
            inputs["train"],
            label["train"],
            batch_size=BATCH_SIZE,
            class_weight=dict(enumerate(weight)),
            verbose=0,
        )
        score = float(average_precision_score(label["eval"], _predict(model, inputs["eval"])))
        waited = 0 if score > best else waited + 1
        if score > best:
            best, best_weights = score, model.get_weights()
        if waited == PATIENCE:
            break
    model.set_weights(best_weights)
    scores = {name: _predict(model, inputs[name]) for name in ("eval", "test")}
    threshold = reference.best_threshold(label["eval"], scores["eval"])
    return reference.measure(label["test"], scores["test"], threshold)


def prepare(
    splits: Mapping[str, Mapping[str, NDArray[Any]]],
) -> dict[str, tuple[Floats, Floats]]:
    """Returns signals [n, samples, 4] and context [n, numbers], standardised by the train split.

    Each sample is standardised by its own mean and deviation, missing ones become 0, and a channel
    says where they were.
    """
    train = splits["train"]
    signal = {name: _stack(columns) for name, columns in splits.items()}
    mean, deviation = np.nanmean(signal["train"], 0), np.nanstd(signal["train"], 0)
    # Samples before the trigger hardly vary: their noise must not be blown up.
    deviation = np.maximum(deviation, 0.05 * np.sqrt((deviation**2).mean(0)))
    versions = np.unique(train[VERSION].astype(str))
    context = {name: _context(columns, versions) for name, columns in splits.items()}
    centre, spread = context["train"].mean(0), context["train"].std(0) + 1e-6
    return {
        name: (
            np.concatenate(
                [np.nan_to_num((signal[name] - mean) / deviation), np.isnan(signal[name])], axis=2
            ).astype(np.float32),
            ((context[name] - centre) / spread).astype(np.float32),
        )
        for name in splits
    }


def _stack(columns: Mapping[str, NDArray[Any]]) -> Floats:
    return np.stack([columns["voltage"], columns["current"]], axis=2).astype(float)


def _context(columns: Mapping[str, NDArray[Any]], versions: NDArray[np.str_]) -> Floats:
    numbers = [columns[name].astype(float) for name in CONTEXT]
    flags = [columns[VERSION].astype(str) == version for version in versions]
    return np.stack([*numbers, *flags], axis=1).astype(float)


def _build(train: tuple[Floats, Floats]) -> Any:
    import keras
    from keras import layers

    signal, context = keras.Input(train[0].shape[1:]), keras.Input(train[1].shape[1:])
    shape = signal
    for filters in (16, 32, 64):
        shape = layers.Conv1D(filters, 5, padding="same", activation="relu")(shape)
        shape = layers.MaxPooling1D(2)(shape)
    pooled = [layers.GlobalAveragePooling1D()(shape), layers.GlobalMaxPooling1D()(shape)]
    joined = layers.Concatenate()([*pooled, layers.Dense(32, activation="relu")(context)])
    head = layers.Dropout(0.2)(layers.Dense(32, activation="relu")(joined))
    model = keras.Model([signal, context], layers.Dense(1, activation="sigmoid")(head))
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    return model


def _predict(model: Any, inputs: tuple[Floats, Floats]) -> Floats:
    return np.asarray(model.predict(inputs, batch_size=1024, verbose=0))[:, 0]
