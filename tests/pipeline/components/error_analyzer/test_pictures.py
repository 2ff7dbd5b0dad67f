"""The page of errors shows pictures, and what in them decided."""

import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Pillow

from models.features import Image
from tests.example_files import write_split
from tests.pipeline.components.recording_troubles.pictures.picture_files import encode, scene

pytestmark = pytest.mark.tensorflow

PICTURES = {"photo": Image(height=8, width=8, channels=1)}
WEIGHTS = np.zeros((8, 8, 1), np.float32)
WEIGHTS[1, 2], WEIGHTS[5, 6] = 2.0, -1.0


def explained_by(logit):
    """A model that decodes `photo`, with a logit of the pixels, as it is loaded again."""
    import tensorflow as tf

    from models.inputs.pictures import decode_pictures

    def transform(examples):
        spec = {"photo": tf.io.FixedLenFeature([1], tf.string)}
        content = tf.io.parse_example(examples, spec)["photo"]
        return {"photo_xf": decode_pictures("photo", content, PICTURES["photo"])}

    return SimpleNamespace(transform=transform, logit=logit)


def linear(transformed):
    import tensorflow as tf

    return tf.reduce_sum(transformed["photo_xf"] * WEIGHTS, [1, 2])


def example_of(content):
    import tensorflow as tf

    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
    features = tf.train.Features(feature={"photo": value})
    return tf.train.Example(features=features).SerializeToString()


def test_parts_add_up_to_the_difference_from_a_plain_picture():
    from pipeline.components.error_analyzer.pictures import explain_pictures

    pixels = np.rint(255 * scene(0, 8)) / 255
    example = np.array([example_of(encode(pixels))], object)
    parts = explain_pictures(explained_by(linear), example, PICTURES)["photo"]
    # A linear logit has the weight times the distance from the mean intensity.
    np.testing.assert_allclose(parts, WEIGHTS[..., 0] * (pixels - pixels.mean()), atol=1e-6)


def test_a_picture_without_any_effect_has_no_parts():
    import tensorflow as tf

    from pipeline.components.error_analyzer.pictures import explain_pictures

    example = np.array([example_of(encode(scene(0, 8)))], object)
    constant = explained_by(lambda _: tf.zeros([16, 1]))
    assert explain_pictures(constant, example, PICTURES) == {}


def test_the_overlay_is_red_where_the_logit_rises_and_blue_where_it_falls():
    from pipeline.components.error_analyzer.pictures import overlay

    parts = np.zeros((32, 32))
    parts[4:12, 4:12], parts[20:28, 20:28] = 1.0, -1.0
    drawn = np.asarray(overlay(Pillow.new("L", (96, 96), 128), parts), float)
    red, blue, plain = drawn[24, 24], drawn[72, 72], drawn[24, 72]
    assert red[0] > red[2] + 100
    assert blue[2] > blue[0] + 100
    assert np.ptp(plain) == 0


def test_an_exported_network_is_explained_after_it_is_loaded(tmp_path):
    import tensorflow as tf

    from models.exporting.explained_logit import ExplainedLogit
    from models.inputs.pictures import decode_pictures
    from pipeline.components.error_analyzer.pictures import draw_pictures

    class Graph:
        def __init__(self) -> None:
            self.raw_spec = {"photo": tf.io.FixedLenFeature([1], tf.string)}

        def __call__(self, raw) -> dict:
            return {"photo_xf": decode_pictures("photo", raw["photo"], PICTURES["photo"])}

    class Weighted:
        weights = tf.Variable(WEIGHTS)

        def in_graph(self, transformed):
            return tf.reduce_sum(transformed["photo_xf"] * self.weights, [1, 2])

    module = tf.Module()
    module.weights, module.explained = Weighted.weights, ExplainedLogit(Weighted(), Graph())
    tf.saved_model.save(module, str(tmp_path / "model"))
    path = str(tmp_path / "rows.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        writer.write(example_of(encode(scene(0, 8))))
    [drawn] = draw_pictures([path], np.array([0]), PICTURES, tmp_path / "model")
    assert len(drawn["photo"]) == 2


def test_rows_are_drawn_in_the_order_asked_for(tmp_path):
    import tensorflow as tf

    from pipeline.components.error_analyzer.pictures import draw_pictures

    contents = [encode(np.full((8, 8), level)) for level in (0.0, 0.5, 1.0)] + [b""]
    path = str(tmp_path / "rows.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for content in contents:
            writer.write(example_of(content))
    tf.saved_model.save(tf.Module(), str(tmp_path / "model"))
    drawn = draw_pictures([path], np.array([2, 3, 0]), PICTURES, tmp_path / "model")
    # A model of trees alone has no gradient: one image each, and none of a missing picture.
    levels = [
        Pillow.open(io.BytesIO(base64.b64decode(images["photo"][0].partition(",")[2]))).getpixel(
            (5, 5)
        )
        for images in (drawn[0], drawn[2])
    ]
    assert levels == [255, 0]
    assert drawn[1] == {}
    assert draw_pictures([path], np.array([2]), {}, tmp_path / "none") == [{}]


def test_the_levels_of_a_sound_are_explained_from_the_mean_of_each_band():
    import tensorflow as tf

    from models.features import Audio
    from pipeline.components.error_analyzer.pictures import explain_pictures

    levels = np.array([[[1.0, -2.0], [0.0, 3.0], [0.5, 0.5]]], np.float32)
    weights = np.array([[1.0, 0.0], [0.0, -2.0], [0.0, 0.0]], np.float32)
    explained = SimpleNamespace(
        transform=lambda _: {"hum_xf": tf.constant(levels)},
        logit=lambda transformed: tf.reduce_sum(transformed["hum_xf"] * weights, [1, 2])[:, None],
    )
    sounds = {"hum": Audio(sampling_rate_hz=8_000, duration_s=1, num_mels=2)}
    parts = explain_pictures(explained, np.array([b""], object), sounds)
    # A linear logit has the weight times the level, whose mean over train is 0.
    np.testing.assert_allclose(parts["hum"], weights * levels[0], atol=1e-6)


def test_troubles_of_pictures_in_files_are_those_of_all_pictures_at_once(tmp_path):
    from pipeline.components.error_analyzer.file_troubles import find_file_troubles

    pictures = [scene(seed) for seed in range(12)]
    pictures[2] = pictures[2] + 0.5
    records = [example_of(encode(picture)) for picture in pictures]
    paths = [
        str(write_split(tmp_path, "test", records[:5])),
        str(write_split(tmp_path, "test", records[5:], shard=1)),
    ]
    troubles = find_file_troubles(paths, PICTURES)
    assert set(troubles) == {"blur", "underexposure", "overexposure"}
    assert np.flatnonzero(troubles["overexposure"]).tolist() == [2]
    assert not troubles["underexposure"].any()
    assert find_file_troubles(paths, {}) == {}


def test_a_trouble_of_a_signal_or_of_a_sound_is_one_of_the_example():
    from pipeline.components.error_analyzer.file_troubles import either_trouble

    signals = {"gap": np.array([True, False, False]), "noise": np.array([False, False, True])}
    sounds = {"gap": np.array([False, True, False]), "clipping": np.array([True, False, False])}
    joined = {name: flags.tolist() for name, flags in either_trouble(signals, sounds).items()}
    assert joined == {
        "gap": [True, True, False],
        "noise": [False, False, True],
        "clipping": [True, False, False],
    }
