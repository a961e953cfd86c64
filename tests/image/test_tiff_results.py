import pickle

import numpy as np
import pytest
import tifffile
from PIL import Image

from dasksom.errors import InputError
from dasksom.image import create_writer, open_image


def _write(path, labels, palette, chunks=(512, 1024), **kwargs):
    height, width = labels.shape
    writer = create_writer(
        path, height=height, width=width, chunks=chunks, palette=palette, metadata={"epochs": 3}, **kwargs
    )
    writer = pickle.loads(pickle.dumps(writer))
    corners = [(y, x) for y in range(0, height, chunks[0]) for x in range(0, width, chunks[1])]
    parts = [(c, labels[c[0] : c[0] + chunks[0], c[1] : c[1] + chunks[1]]) for c in corners]
    writer.collect((corner, part.shape, writer.encode(part, corner)) for corner, part in parts)
    return writer


@pytest.mark.parametrize("units", [2, 255, 256])
def test_writes__paletted(tmp_path, random, units):
    palette = random.integers(0, 256, (units, 3), np.uint8)
    labels = random.integers(0, units, (1100, 1500), np.uint8)
    assert _write(tmp_path / "a.tif", labels, palette).chunk_alignment == 512
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        page = tiff.pages[0]
        assert tiff.is_bigtiff
        assert page.is_tiled
        assert page.photometric.name == "PALETTE"
        assert '"epochs": 3' in page.description
        assert np.array_equal(page.colormap[:, :units], palette.T.astype(np.uint16) * 257)
        assert np.array_equal(page.asarray(), labels)
    with Image.open(tmp_path / "a.tif") as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image.convert("RGB")), palette[labels])


@pytest.mark.parametrize(
    ("dtype", "bands", "units"), [("u1", 3, 300), ("u2", 1, 7), ("u2", 4, 9), ("f4", 12, 5), (">f4", 2, 5)]
)
def test_writes__pixels(tmp_path, random, dtype, bands, units):
    palette = (random.random((units, bands)) * 250).astype(dtype)
    labels = random.integers(0, units, (700, 1100), np.uint16)
    _write(tmp_path / "a.tiff", labels, palette)
    expected = palette[labels]
    assert np.array_equal(tifffile.imread(tmp_path / "a.tiff"), expected[..., 0] if bands == 1 else expected)
    assert np.array_equal(open_image(tmp_path / "a.tiff").compute(), expected)


def test_writes__read_by_pillow(tmp_path, random):
    palette = random.integers(0, 256, (300, 3), np.uint8)
    labels = random.integers(0, 300, (100, 80), np.uint16)
    _write(tmp_path / "a.tif", labels, palette)
    with Image.open(tmp_path / "a.tif") as image:
        assert np.array_equal(np.asarray(image), palette[labels])


@pytest.mark.parametrize(("units", "paletted"), [(255, True), (256, False)])
def test_writes__pixels_without_data(tmp_path, random, units, paletted):
    palette = random.integers(1, 256, (units, 3), np.uint8)
    labels = random.integers(0, units, (600, 600), np.uint16)
    labels[:100] = 999
    _write(tmp_path / "a.tif", labels, palette, nodata=True)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert (tiff.pages[0].photometric.name == "PALETTE") == paletted
        if paletted:
            assert tiff.pages[0].nodata == units
            assert (tiff.pages[0].asarray()[:100] == units).all()
        else:
            assert not tiff.pages[0].asarray()[:100].any()


def test_writes__misaligned_chunks_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"chunks of 500 rows .* multiples of 512; .*align=512"):
        create_writer(
            tmp_path / "a.tif", height=1000, width=512, chunks=(500, 512), palette=np.zeros((4, 3), "u1"), metadata={}
        )
    writer = create_writer(
        tmp_path / "a.tif", height=1000, width=512, chunks=(512, 512), palette=np.zeros((4, 3), "u1"), metadata={}
    )
    with pytest.raises(RuntimeError, match="internal error"):
        writer.encode(np.zeros((100, 100), np.uint8), (100, 0))
    with pytest.raises(ValueError, match="internal error: label 4 of a palette of 4"):
        writer.encode(np.full((512, 512), 4, np.uint8), (0, 0))
