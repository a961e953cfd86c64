import numpy as np
import pytest
from PIL import Image
from PIL.GimpPaletteFile import GimpPaletteFile

from dasksom.errors import InputError
from dasksom.image.palette_files import PALETTE_FILES, write_palette
from dasksom.image.writers.palettes import display_colors


@pytest.fixture
def weights(random):
    """A map of 4 x 5 units in the units of an 8-bit image."""
    return random.random((4, 5, 3)) * 255


def test_gimp(tmp_path, weights):
    write_palette(tmp_path / "a.gpl", weights)
    text = (tmp_path / "a.gpl").read_text()
    assert text.startswith("GIMP Palette\nName: dasksom\nColumns: 5\n#\n")
    colors = [tuple(map(int, line.split("\t")[0].split())) for line in text.splitlines()[4:]]
    assert colors == [tuple(color) for color in np.rint(weights).astype(int).reshape(-1, 3).tolist()]
    with (tmp_path / "a.gpl").open("rb") as file:
        read = GimpPaletteFile(file).getpalette()[0]
    assert read[:60] == np.rint(weights).astype(np.uint8).tobytes()


def test_adobe(tmp_path, weights):
    write_palette(tmp_path / "a.act", weights)
    data = (tmp_path / "a.act").read_bytes()
    assert len(data) == 772
    assert data[:60] == np.rint(weights).astype(np.uint8).tobytes()
    assert data[768:] == bytes([0, 20, 255, 255])
    with pytest.raises(InputError, match=r"holds 256 colors, and the map has 289; write \.gpl"):
        write_palette(tmp_path / "b.act", np.zeros((17, 17, 3)))
    assert not (tmp_path / "b.act").exists()


@pytest.mark.parametrize("suffix", [".clr", ".txt"])
def test_tables_of_labels(tmp_path, weights, suffix):
    write_palette(tmp_path / f"a{suffix}", weights)
    lines = [line.split() for line in (tmp_path / f"a{suffix}").read_text().splitlines() if line[0] != "#"]
    rows = [[int(part) for part in line[:5]] for line in lines]
    assert rows[0] == [0, 0, 0, 0, 0]
    expected = np.rint(weights).astype(int).reshape(-1, 3).tolist()
    assert rows[1:] == [[k + 1, *color, 255] for k, color in enumerate(expected)]


def test_swatch(tmp_path, weights):
    write_palette(tmp_path / "a.png", weights)
    with Image.open(tmp_path / "a.png") as image:
        pixels = np.asarray(image)
    assert np.array_equal(pixels[16::32, 16::32], np.rint(weights))
    assert pixels.shape == (128, 160, 3)


def test_bands(tmp_path, random):
    weights = random.random((2, 3, 12)) * 255
    write_palette(tmp_path / "a.png", weights, [3, 2, 1])
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image)[::32, ::32], np.rint(weights[..., [3, 2, 1]]))
    for bands, message in (
        (None, "the map has 12 bands; say which"),
        ([1, 2], "bands 1, 2:"),
        ([1, 2, 12], "1, 2, 12"),
    ):
        with pytest.raises(InputError, match=message):
            write_palette(tmp_path / "b.gpl", weights, bands)


def test_refused(tmp_path, weights):
    with pytest.raises(InputError, match=r"no kind of palette .* \.act, \.clr, \.gpl, \.png, \.txt"):
        write_palette(tmp_path / "a.xyz", weights)
    write_palette(tmp_path / "a.gpl", weights)
    with pytest.raises(InputError, match="exists already"):
        write_palette(tmp_path / "a.gpl", weights)
    write_palette(tmp_path / "a.gpl", weights[:1], overwrite=True)
    assert len((tmp_path / "a.gpl").read_text().splitlines()) == 9


@pytest.mark.parametrize("suffix", PALETTE_FILES)
def test_every_kind_holds_gray(tmp_path, suffix):
    write_palette(tmp_path / f"a{suffix}", np.full((1, 2, 1), 7.0))
    assert (tmp_path / f"a{suffix}").stat().st_size


@pytest.mark.parametrize(
    ("palette", "expected"),
    [
        (np.array([[0], [200]], "u1"), [[0, 0, 0], [200, 200, 200]]),
        (np.array([[0.0, 0.5, 1.0]]), [[0, 128, 255]]),
        (np.array([[0.0, 128.4, 255.0]]), [[0, 128, 255]]),
        (np.array([[1000, 3000, 2000, 9]], "u2"), [[0, 255, 128]]),
        (np.array([[-5.0, -5.0, -5.0]]), [[0, 0, 0]]),
    ],
)
def test_display_colors(palette, expected):
    assert display_colors(palette).tolist() == expected
