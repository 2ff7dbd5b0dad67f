"""Pictures are decoded and summarised in the graph."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

pytestmark = pytest.mark.tensorflow


def encode(pixels, form="PNG", mode=None, **options):
    picture = Pillow.fromarray(np.asarray(pixels, np.uint8))
    file = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(file, form, **options)
    return file.getvalue()


def decode(files, **size):
    import tensorflow as tf

    from models.features import Image
    from models.inputs.pictures import decode_pictures

    image = Image(**{"height": 8, "width": 8, "channels": 1} | size)
    graph = tf.function(lambda content: decode_pictures("photo", content, image), autograph=False)
    return graph(tf.constant(files, tf.string)[:, tf.newaxis]).numpy()


def summarise(pixels):
    from models.features import Image
    from models.inputs.pictures import picture_summary_names, summarise_pictures

    pixels = np.asarray(pixels, np.float32)
    image = Image(height=pixels.shape[1], width=pixels.shape[2], channels=pixels.shape[3])
    values = summarise_pictures(pixels, image).numpy()
    names = picture_summary_names(image)
    assert values.shape == (len(pixels), len(names))
    return [dict(zip(names, row.tolist(), strict=True)) for row in values]


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        *(("PNG", mode) for mode in ("L", "LA", "P", "RGB", "RGBA")),
        *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
        *(("BMP", mode) for mode in ("L", "RGB")),
        *(("GIF", mode) for mode in ("L", "P")),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_grey_picture_has_the_same_intensities_in_every_form(form, mode, channels):
    # 51 of 255 is 0.2; a JPEG may be off by one step of 1/255.
    pixels = np.full((8, 8, 3), 51)
    picture = decode([encode(pixels, form, mode)], channels=channels)
    assert picture.shape == (1, 8, 8, channels)
    np.testing.assert_allclose(picture, 0.2, atol=1.5 / 255)


def test_colours_are_kept_in_their_order_and_weighted_as_grey():
    red = encode(np.broadcast_to(np.array([255, 0, 0], np.uint8), (8, 8, 3)))
    np.testing.assert_array_equal(decode([red], channels=3)[0, 0, 0], [1, 0, 0])
    # The weight of red in BT.601.
    np.testing.assert_allclose(decode([red]), 0.299, atol=1e-6)


def test_colours_of_print_are_those_that_pillow_reads():
    columns = np.arange(8, dtype=np.uint8) * 30
    pixels = np.broadcast_to(np.stack([columns, 255 - columns, columns // 2], axis=-1), (8, 8, 3))
    file = encode(pixels, "JPEG", "CMYK", quality=100, subsampling=0)
    expected = np.asarray(Pillow.open(io.BytesIO(file)).convert("RGB"), np.float32) / 255
    np.testing.assert_allclose(decode([file], channels=3)[0], expected, atol=10 / 255)


def test_sixteen_bits_of_a_microscope_are_kept():
    file = io.BytesIO()
    Pillow.fromarray(np.full((8, 8), 1_000, np.uint16)).save(file, "PNG")
    np.testing.assert_allclose(decode([file.getvalue()]), 1_000 / 65_535, rtol=1e-5)


def test_shrinking_averages_so_that_no_fine_pattern_is_aliased():
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255
    # A filter that only picks pixels gives 0 or 1 somewhere.
    inner = decode([encode(checks)])[0, 1:-1, 1:-1]
    np.testing.assert_allclose(inner, 0.5, atol=0.02)


def test_the_first_frame_of_a_gif_is_taken():
    frames = [Pillow.fromarray(np.full((8, 8), value, np.uint8)) for value in (0, 255)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode([file.getvalue()]), np.zeros((1, 8, 8, 1)))


def test_a_missing_picture_has_an_intensity_that_no_pixel_has():
    present = encode(np.zeros((8, 8)))
    pictures = decode([b"", present, b""])
    assert pictures[:, 0, 0, 0].tolist() == [-1, 0, -1]
    assert decode([]).shape == (0, 8, 8, 1)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP"])
def test_rows_with_damaged_pictures_are_named(form):
    import tensorflow as tf

    noise = np.random.default_rng(0).integers(0, 256, (32, 32))
    good = encode(noise, form)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`photo` holds no .*\[1 3\]"):
        decode([good, good[: len(good) // 2], b"", b"not a picture"])


def test_intensities_and_gradients_are_summarised():
    # The left half is 0.2 and the right half 0.8: one step of 0.6 in each of 15 rows of 15 pairs.
    pixels = np.full((1, 16, 16, 1), 0.2)
    pixels[:, :, 8:] = 0.8
    [summary] = summarise(pixels)
    assert summary["mean intensity"] == pytest.approx(0.5)
    assert summary["standard deviation intensity"] == pytest.approx(0.3)
    assert summary["median intensity"] == pytest.approx(0.5)
    assert summary["gradient energy, 1 px"] == pytest.approx(0.36 / 15)
    assert summary["horizontal share of gradient energy, 1 px"] == pytest.approx(1)
    assert summary["largest gradient, 2 px"] == pytest.approx(0.6)
    # A block beside the step: three of its eight neighbours are on the other side.
    assert summary["largest contrast, 1 px"] == pytest.approx(0.6 * 3 / 8)
    assert summary["darkest block, 4 px"] == pytest.approx(0.2)


def test_a_dark_line_and_a_bright_spot_are_distinguished():
    pixels = np.full((2, 32, 32, 1), 0.5)
    pixels[0, 16, 4:28] = 0.0
    pixels[1, 14:19, 14:19] = 1.0
    line, spot = summarise(pixels)
    # A line of nine dark pixels less the mean of the filter, 9 of 81 pixels dark: -0.5 (1 - 1/9).
    assert line["darkest line"] == pytest.approx(-0.5 * 8 / 9)
    assert line["darkest spot"] > -0.5 * 8 / 9 / 2
    assert spot["brightest spot"] > 0.3
    assert spot["brightest spot"] > spot["brightest line"]


def test_summaries_of_a_missing_picture_are_missing_and_those_of_a_plain_one_finite():
    pixels = np.stack([np.full((8, 8, 3), -1.0), np.full((8, 8, 3), 0.5)])
    missing, plain = summarise(pixels)
    assert np.isnan(list(missing.values())).all()
    undefined = {name for name, value in plain.items() if np.isnan(value)}
    assert undefined == {"skewness of intensity", "kurtosis of intensity"}
    assert plain["mean of green"] == pytest.approx(0.5)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_jpeg_is_turned_upright_as_its_exif_data_say(order):
    from PIL import ImageOps

    files = []
    for orientation in range(1, 9):
        exif = Pillow.Exif()
        exif[0x010F], exif[0x0112] = "maker", orientation
        exif.endian = order
        pixels = np.full((8, 16), 51)
        pixels[:4, :8] = 204  # the left upper corner is bright
        files.append(encode(pixels, "JPEG", quality=100, exif=exif.tobytes()))
    upright = [ImageOps.exif_transpose(Pillow.open(io.BytesIO(file))) for file in files]
    # As a PNG, which is not turned.
    expected = decode([encode(picture) for picture in upright], height=16, width=16)
    assert len({picture.tobytes() for picture in expected}) == 8

    # The two decoders of JPEG differ by some steps beside the edge.
    np.testing.assert_allclose(decode(files, height=16, width=16), expected, atol=0.05)


def test_exif_data_that_are_cut_or_wrong_turn_nothing():
    exif = Pillow.Exif()
    exif[0x0112] = 6
    file = encode(np.arange(64).reshape(8, 8) * 3, "JPEG", exif=exif.tobytes())
    start = file.index(b"Exif") + 6
    far = file[: start + 4] + b"\xff\xff\xff\x7f" + file[start + 8 :]  # the first directory
    undefined = file.replace(b"\x06\x00\x00\x00", b"\x09\x00\x00\x00", 1)
    assert undefined != file
    plain = encode(np.arange(64).reshape(8, 8) * 3, "JPEG")

    pictures = decode([plain, far, undefined])

    np.testing.assert_array_equal(pictures[1], pictures[0])
    np.testing.assert_array_equal(pictures[2], pictures[0])
