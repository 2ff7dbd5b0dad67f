"""Files of pictures: damage, blur, exposure and duplicates are noticed."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy import ndimage

from pipeline.components.recording_troubles.pictures.blur_and_exposure import (
    UsualPicture,
    find_picture_troubles,
    measure_pictures,
)
from pipeline.components.recording_troubles.pictures.duplicates import (
    Fingerprints,
    Overlap,
    find_overlaps,
)
from pipeline.components.recording_troubles.pictures.picture_file import (
    data_url,
    make_thumbnail,
    read_header,
    read_picture,
)
from tests.pipeline.components.recording_troubles.pictures.picture_files import encode, scene


def troubles_of(files):
    measures = measure_pictures(files)
    return find_picture_troubles(measures, UsualPicture.of(measures))


def test_a_picture_is_read_with_its_form_size_and_mode():
    picture = read_picture(encode(np.full((30, 40), 0.2), "JPEG"))
    assert (picture.form, picture.width, picture.height, picture.mode) == ("JPEG", 40, 30, "L")
    np.testing.assert_allclose(picture.grey, 0.2, atol=1 / 255)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"healthy,0\n", "is no PNG, JPEG, BMP or GIF picture"),
        (encode(scene(0))[:900], "cannot be decoded: "),
        (encode(scene(0), "JPEG")[:700], "cannot be decoded: image file is truncated"),
        (encode(scene(0), "TIFF"), "is no PNG, JPEG, BMP or GIF picture"),
    ],
)
def test_what_is_no_whole_picture_is_refused_with_the_reason(content, reason):
    with pytest.raises(ValueError, match=reason):
        read_picture(content)


def test_a_picture_of_too_many_pixels_is_refused_with_the_reason(monkeypatch):
    content = encode(np.full((30, 40), 0.2))
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 500)  # of 1,200; an error beyond the double
    with pytest.raises(ValueError, match=r"cannot be decoded: Image size \(1200 pixels\)"):
        read_picture(content)


@pytest.mark.parametrize(("mode", "is_read"), [("L", True), ("RGB", True), ("P", False)])
def test_a_bmp_with_a_palette_of_colours_is_refused(mode, is_read):
    pixels = np.random.default_rng(0).random((8, 8, 3))
    file = io.BytesIO()
    Pillow.open(io.BytesIO(encode(pixels))).convert(mode).save(file, "BMP")
    if is_read:
        assert read_picture(file.getvalue()).form == "BMP"
    else:
        with pytest.raises(ValueError, match="is a BMP of 8 bits, mode P"):
            read_picture(file.getvalue())


def test_a_blurred_picture_is_found_among_noisy_ones():
    rng = np.random.default_rng(0)
    pictures = [scene(seed) + rng.normal(0, 0.02, (64, 64)) for seed in range(20)]
    blurred = ndimage.gaussian_filter(scene(7), 2.5) + rng.normal(0, 0.02, (64, 64))
    pictures[7] = blurred
    flags = troubles_of([encode(picture) for picture in pictures])
    assert np.flatnonzero(flags["blur"]).tolist() == [7]
    assert not flags["overexposure"].any()


def test_wrong_exposure_is_found_against_the_usual_share_of_black_and_white():
    pictures = [scene(seed) for seed in range(20)]
    pictures[3] = pictures[3] + 0.5
    pictures[5] = pictures[5] - 0.5
    flags = troubles_of([encode(picture) for picture in pictures])
    assert np.flatnonzero(flags["overexposure"]).tolist() == [3]
    assert np.flatnonzero(flags["underexposure"]).tolist() == [5]


def test_missing_plain_and_tiny_pictures_have_no_blur():
    files = [b"", encode(np.full((2, 2), 0.5)), *(encode(scene(seed)) for seed in range(5))]
    assert not any(flags[:2].any() for flags in troubles_of(files).values())
    assert troubles_of([b""])["blur"].tolist() == [False]


def fingerprints(files):
    return Fingerprints.of((file, read_picture(file) if file else None) for file in files)


def test_duplicates_across_splits_are_counted_exact_and_near():
    train = [encode(scene(seed)) for seed in range(30)]
    smaller = encode(ndimage.zoom(scene(4), 0.75), "JPEG", quality=70)
    brighter = encode(scene(5) * 0.9 + 0.08)
    test = [train[0], train[0], smaller, brighter, *(encode(scene(s)) for s in range(100, 110))]
    splits = {
        "train": fingerprints(train),
        "eval": fingerprints([encode(scene(200)), b""]),
        "test": Fingerprints.join([fingerprints(test[:3]), fingerprints(test[3:])]),
    }
    overlaps = find_overlaps(splits)
    assert overlaps == {("test", "train"): Overlap(exact=2, near=2, compared=14)}


def test_plain_and_missing_pictures_are_duplicates_only_of_equal_files():
    plain = [encode(np.full((16, 16), level)) for level in (0.2, 0.8)]
    splits = {"train": fingerprints([plain[0], b""]), "test": fingerprints([plain[1], b""])}
    assert find_overlaps(splits) == {}
    again = {"train": splits["train"], "test": fingerprints([plain[0]])}
    assert find_overlaps(again)["test", "train"].exact == 1


def test_a_thumbnail_keeps_colour_and_proportions_and_is_small():
    thumbnail = make_thumbnail(encode(np.tile(scene(1), (1, 4))))
    assert (thumbnail.size, thumbnail.mode) == ((96, 24), "L")
    url = data_url(thumbnail)
    assert url.startswith("data:image/jpeg;base64,")
    assert len(url) < 6_000
    red = np.zeros((8, 8, 3))
    red[..., 0] = 1
    assert make_thumbnail(encode(red)).getpixel((5, 5)) == (255, 0, 0)
    assert make_thumbnail(b"text") is None


def test_a_header_is_read_without_the_pixels():
    whole = encode(np.tile(scene(1), (1, 2)))
    assert read_header(whole) == ("PNG L", 128, 64)
    assert read_header(whole[:200]) == ("PNG L", 128, 64)
    assert read_header(b"") is None
