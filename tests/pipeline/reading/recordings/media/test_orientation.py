import io

import pytest
from PIL import Image, ImageOps

from pipeline.reading.recordings.media.orientation import exif_orientation, turn_upright
from pipeline.reading.recordings.media.pictures import decode_picture


def jpeg(orientation: int | None, *, order: bytes = b"II") -> bytes:
    """A JPEG of 6 x 4 pixels, whose left upper corner is bright."""
    picture = Image.new("L", (6, 4), 20)
    picture.paste(230, (0, 0, 3, 2))
    file = io.BytesIO()
    if orientation is None:
        picture.save(file, "JPEG")
        return file.getvalue()
    exif = Image.Exif()
    exif[0x010F] = "maker"  # an entry before the orientation
    exif[0x0112] = orientation
    exif.endian = "<" if order == b"II" else ">"
    picture.save(file, "JPEG", exif=exif.tobytes())
    return file.getvalue()


@pytest.mark.parametrize("order", [b"II", b"MM"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_turned_as_pillow_turns_it(orientation: int, order: bytes) -> None:
    content = jpeg(orientation, order=order)
    assert content[content.index(b"Exif") + 6 :][:2] == order

    turned = decode_picture(content)

    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert exif_orientation(content) == orientation
    assert turned.size == expected.size
    assert turned.tobytes() == expected.tobytes()
    assert turned.format == "JPEG"


def test_a_file_without_an_orientation_is_upright() -> None:
    assert exif_orientation(jpeg(None)) == 1


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_is_not_defined_is_upright(orientation: int) -> None:
    assert exif_orientation(jpeg(orientation)) == 1


def test_every_cut_of_the_exif_data_is_read_without_an_error() -> None:
    content = jpeg(6)
    end = content.index(b"Exif") + 40

    assert {exif_orientation(content[:length]) for length in range(end)} <= {1, 6}


def test_a_picture_that_is_no_jpeg_is_left_as_it_is() -> None:
    picture = Image.new("L", (6, 4))

    assert turn_upright(picture, b"\x89PNG\r\n\x1a\n") is picture
