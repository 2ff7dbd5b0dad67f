"""Pictures of the train split are others in every epoch; nothing else is."""

import numpy as np
import pytest

from models.features import Image, Numeric
from models.model_spec import ModelSpec
from models.train_options import Augmentation, TrainOptions

pytestmark = pytest.mark.tensorflow


def test_pictures_change_with_the_epoch_in_memory_and_in_files():
    from models.stored_rows import RowStore
    from models.training.variation import make_variation

    rng = np.random.default_rng(0)
    inputs = {
        "image_photo_xf": rng.random((10, 8, 8, 1), np.float32),
        "image_other_xf": rng.random((10, 8, 8, 1), np.float32),
        "dense": rng.random((10, 2), np.float32),
    }
    photo = Image(height=8, width=8, channels=1)
    spec = ModelSpec(
        label="faulty",
        features={"photo": photo, "other": photo, "speed": Numeric()},
        train=TrainOptions(augmentation={"photo": Augmentation(shift_px=2, noise=0.1)}),
        seed=1,
    )
    # The transform graph is not used: pictures are varied after it.
    one, stored = (
        make_variation([], None, spec, inputs=inputs, store=store, batch_rows=4)
        for store in (RowStore(), RowStore(limit_bytes=0))
    )
    first, again, second = (one.inputs(epoch) for epoch in (0, 0, 1))
    for name, values in inputs.items():
        is_varied = name == "image_photo_xf"
        np.testing.assert_array_equal(first[name], again[name])
        np.testing.assert_array_equal(first[name], stored.inputs(0)[name][:])
        assert np.array_equal(first[name], values) != is_varied
        assert np.array_equal(first[name], second[name]) != is_varied
    # Each row is varied in its own way, those of different batches too.
    assert len(np.unique(first["image_photo_xf"] - inputs["image_photo_xf"], axis=0)) == 10
