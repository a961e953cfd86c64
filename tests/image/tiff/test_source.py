import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile

from dasksom.errors import InputError
from dasksom.image import open_image, open_pixels
from dasksom.image.tiff.layout import _layouts, tiff_layout


@pytest.fixture
def pixels(random):
    return random.integers(0, 256, (301, 222, 3), np.uint8)


WAYS = {
    "raw strips": {},
    "raw strips of 7": {"rowsperstrip": 7},
    "deflate strips": {"rowsperstrip": 7, "compression": "zlib"},
    "one deflate strip": {"rowsperstrip": 301, "compression": "zlib"},
    "tiles": {"tile": (64, 32)},
    "deflate tiles": {"tile": (64, 32), "compression": "zlib", "predictor": True},
    "lzw tiles": {"tile": (64, 32), "compression": "lzw"},
    "zstd tiles": {"tile": (64, 32), "compression": "zstd"},
    "bigtiff": {"tile": (64, 32), "bigtiff": True},
    "big-endian": {"byteorder": ">"},
    "big-endian tiles": {"tile": (64, 32), "byteorder": ">", "compression": "zlib"},
}


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("way", WAYS)
def test_reads__every_way(tmp_path, pixels, way, dtype):
    path = tmp_path / "a.tif"
    stored = pixels.astype(dtype) * (1 if dtype == "u1" else 100)
    tifffile.imwrite(path, stored, photometric="rgb", **WAYS[way])
    image = open_image(path, chunk_bytes=30_000 * stored.itemsize)
    assert image.npartitions > 1
    assert image.dtype == np.dtype(dtype)
    assert image.dtype.isnative
    assert np.array_equal(image.compute(), tifffile.imread(path))
    assert np.array_equal(image.compute(), stored)
    region = open_pixels(path)[17:203, 33:120, 1:3]
    assert region.flags.c_contiguous
    assert np.array_equal(region, stored[17:203, 33:120, 1:3])


@pytest.mark.parametrize("way", ["raw strips of 7", "deflate strips", "deflate tiles", "big-endian tiles"])
def test_reads__planar(tmp_path, pixels, way):
    path = tmp_path / "a.tif"
    planes = np.ascontiguousarray(np.concatenate([pixels, pixels], axis=2).transpose(2, 0, 1))
    tifffile.imwrite(path, planes, photometric="minisblack", planarconfig="separate", **WAYS[way])
    assert np.array_equal(open_image(path, chunk_bytes=30_000).compute(), planes.transpose(1, 2, 0))


@pytest.mark.parametrize("bands", [1, 5])
def test_reads__gray_and_many_bands(tmp_path, random, bands):
    path = tmp_path / "a.tif"
    stored = random.integers(0, 60_000, (100, 90, bands), np.uint16)
    plain = stored[..., 0] if bands == 1 else stored
    kwargs = {} if bands == 1 else {"planarconfig": "contig"}
    tifffile.imwrite(path, plain, photometric="minisblack", tile=(32, 32), **kwargs)
    assert np.array_equal(open_image(path, chunk_bytes=9000).compute(), stored)


def test_reads__channels_in_pages(tmp_path, pixels):
    path = tmp_path / "a.ome.tif"
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    tifffile.imwrite(path, planes, photometric="minisblack", tile=(64, 64), metadata={"axes": "CYX"}, ome=True)
    assert np.array_equal(open_image(path, chunk_bytes=30_000).compute(), pixels)


def test_reads__jpeg_tiles(tmp_path, pixels):
    path = tmp_path / "a.tif"
    smooth = np.tile(np.arange(222, dtype=np.uint8)[None, :, None], (301, 1, 3))
    tifffile.imwrite(path, smooth, photometric="ycbcr", tile=(64, 64), compression="jpeg", subsampling=(2, 2))
    assert np.array_equal(open_image(path, chunk_bytes=30_000).compute(), tifffile.imread(path))


def test_reads__sparse_tiles_as_the_file_says(tmp_path, pixels):
    path = tmp_path / "a.tif"
    tiles = iter([pixels[:64, :64], None, None, pixels[64:128, 64:128]])
    tifffile.imwrite(path, tiles, shape=(128, 128, 3), dtype="u1", photometric="rgb", tile=(64, 64), compression="zlib")
    expected = np.zeros((128, 128, 3), np.uint8)
    expected[:64, :64], expected[64:, 64:] = pixels[:64, :64], pixels[64:128, 64:128]
    with pytest.raises(InputError, match=r"2 of its 4 tiles or strips are missing, .* number 1; .*fill-missing"):
        open_image(path)
    assert np.array_equal(open_image(path, fill_missing=True).compute(), expected)


def test_reads__first_series_at_full_resolution(tmp_path, pixels):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(pixels, photometric="rgb", tile=(64, 64), subifds=1)
        tiff.write(pixels[::2, ::2], photometric="rgb", tile=(64, 64), subfiletype=1)
        tiff.write(pixels[:20, :20], photometric="rgb")
    assert np.array_equal(open_image(path).compute(), pixels)


def test_reads__decodes_only_what_a_region_touches(tmp_path, pixels, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(64, 32), compression="zlib")
    source = open_pixels(path)
    decoded = []
    layout = tiff_layout(source.location, source.stamp, source.part)
    real = layout.decode
    object.__setattr__(layout, "decode", lambda data, index, **kw: decoded.append(index) or real(data, index, **kw))
    source[64:128, 32:96, 0:3]
    assert decoded == [8, 9]


def test_source__pickles_small(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", tile=(64, 32))
    source = open_pixels(tmp_path / "a.tif")
    source[0:5, 0:5, 0:3]
    sent = pickle.dumps(source)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent)[7:90, 3:111, 0:3], pixels[7:90, 3:111])


@pytest.mark.parametrize("way", ["raw strips of 7", "deflate tiles", "one deflate strip"])
def test_source__many_threads(tmp_path, pixels, way):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", **WAYS[way])
    source = open_pixels(tmp_path / "a.tif")
    start = threading.Barrier(8)

    def read(number):
        start.wait(5)
        for y in range(number, 200, 8):
            if not np.array_equal(source[y : y + 50, 10:120, 0:3], pixels[y : y + 50, 10:120]):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))


def test_source__kept_pixels_cannot_be_changed_by_a_reader(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", **WAYS["one deflate strip"])
    source = open_pixels(tmp_path / "a.tif")
    source[0:301, 0:222, 0:3][...] = 0
    assert np.array_equal(source[0:301, 0:222, 0:3], pixels)


def test_image__name_follows_the_file(tmp_path, pixels):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb")
    first = open_image(path)
    assert open_image(path).name == first.name
    tifffile.imwrite(path, pixels[:200], photometric="rgb")
    assert open_image(path).name != first.name
    _layouts.cache_clear()  # as on a worker that has not read the file before
    with pytest.raises(InputError, match="bytes, but had"):
        first.compute()


@pytest.mark.parametrize(
    ("data", "kwargs", "message"),
    [
        (np.zeros((20, 20, 4), "u1"), {"photometric": "separated"}, "SEPARATED; its colors are CMYK.*RGB first"),
        (np.zeros((20, 20), "f4"), {"photometric": "miniswhite"}, "MINISWHITE.*one gray level a pixel is"),
        (np.zeros((20, 20, 3), "u1"), {"photometric": "cielab"}, "CIELAB; its colors are CIELab.*RGB first"),
        (
            np.zeros((5, 20, 20), "u1"),
            {"photometric": "minisblack"},
            "its axes are q=5, y=20, x=20.*--select q=0.*or say with --axes that q is the bands",
        ),
        (
            np.zeros((5, 20, 20, 3), "u1"),
            {"photometric": "rgb"},
            r"its axes are q=5, y=20, x=20, s=3.*--select q=0 \(0 to 4\)$",
        ),
        (
            np.zeros((20, 20, 3), "u1"),
            {"photometric": "rgb", "bitspersample": 4},
            "values of 4 bits are not read",
        ),
        (np.zeros((20, 20), "c8"), {"photometric": "minisblack"}, "dtype complex64"),
    ],
)
def test_refused__kinds(tmp_path, data, kwargs, message):
    tifffile.imwrite(tmp_path / "a.tif", data, **kwargs)
    with pytest.raises(InputError, match=rf"a\.tif: .*{message}"):
        open_image(tmp_path / "a.tif")


def test_refused__not_a_tiff_and_component(tmp_path, pixels):
    (tmp_path / "a.tif").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(InputError, match=r"a\.tif: is not a TIFF"):
        open_image(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", pixels, photometric="rgb")
    with pytest.raises(InputError, match="is for Zarr groups"):
        open_image(tmp_path / "b.tif", component="x")


@pytest.mark.parametrize("way", ["raw strips", "deflate tiles"])
@pytest.mark.parametrize("keep", [6, 100, 0.5, 0.99])
def test_refused__cut_short(tmp_path, pixels, way, keep):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", **WAYS[way])
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    with pytest.raises(InputError, match="cut short"):
        open_image(path)


def test_refused__damaged_tile(tmp_path, pixels):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].dataoffsets[3]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(50))
    with pytest.raises(InputError, match=r"a\.tif: tile or strip 3, pixels \[0:64, 192:222\], cannot be decoded"):
        open_image(path).compute()


def test_refused__codec_not_installed(tmp_path, pixels, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", tile=(64, 64), compression="lzw")
    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", {1: None})
    with pytest.raises(InputError, match=r"compressed as LZW.*pip install 'dasksom\[tiff\]'"):
        open_image(tmp_path / "a.tif")
