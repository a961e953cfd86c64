import numpy as np
import pytest
from PIL import Image

from dasksom.errors import InputError
from dasksom.image.palette_files import PALETTE_FILES, write_palette
from dasksom.image.palette_readers import PALETTE_READERS, read_palette

COLORS = np.array([[255, 0, 0], [0, 128, 255], [1, 2, 3], [250, 250, 250]], np.uint8)


@pytest.mark.parametrize("suffix", PALETTE_FILES)
def test_read__what_was_written(tmp_path, suffix):
    assert set(PALETTE_READERS) == set(PALETTE_FILES)
    path = tmp_path / f"palette{suffix}"
    write_palette(path, COLORS.reshape(2, 2, 3))
    assert np.array_equal(read_palette(path), COLORS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gimp.gpl", b"GIMP Palette\r\nName: x\r\nColumns: 2\r\n# comment\r\n255   0   0 red\r\n  0 128 255\r\n"),
        ("qgis.clr", b"1 255 0 0 255 fire, walk\n2 0 128 255 255 sky\n0 0 0 0 0 none\n"),
        ("gdal.txt", b"# value\n1,255,0,0\n2: 0 128 255 255\nnv 0 0 0 0\n"),
        ("adobe.act", bytes([255, 0, 0, 9, 9, 9, 0, 128, 255]) + bytes(759) + bytes([0, 3, 0, 1])),
    ],
)
def test_read__files_of_other_programs(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_palette(tmp_path / name).tolist() == [[255, 0, 0], [0, 128, 255]]


def test_read__pngs_of_pillow(tmp_path):
    Image.fromarray(COLORS[[2, 0, 2, 1]].reshape(2, 2, 3)).save(tmp_path / "rgb.png")
    assert np.array_equal(read_palette(tmp_path / "rgb.png"), COLORS[[2, 0, 1]])
    image = Image.new("P", (2, 1))
    image.putdata([1, 0])
    image.putpalette(COLORS[:2].tobytes())
    image.save(tmp_path / "paletted.png")
    assert np.array_equal(read_palette(tmp_path / "paletted.png"), COLORS[:2])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.gpl", b"1 2 3\n", "its first line is not 'GIMP Palette'"),
        ("a.gpl", b"GIMP Palette\n300 0 0\n", "a color has values beyond 0 to 255"),
        ("a.act", b"12", "2 bytes; an .act has 768 or 772"),
        ("a.txt", b"1 2 3 4\nhello world\n", "line 2 is not a value, red, green and blue"),
        ("a.clr", b"0 0 0 0 0\n", "holds 0 colors"),
        ("a.png", b"no image", "is not a palette"),
        ("a.bmp", b"BM", "is not a palette file"),
    ],
)
def test_read__refuses_other_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_palette(tmp_path / name)
