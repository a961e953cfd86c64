"""Every source is indexed as the NumPy array of its pixels is."""

import numpy as np
import pytest
import tifffile
import xarray
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn
from PIL import Image

from dasksom.image import open_image, open_picture, open_pixels
from dasksom.image.sources.unreadable import ReadableMask, WithoutRegions

SHAPE = (37, 41, 3)
VRT = """<VRTDataset rasterXSize="41" rasterYSize="37">{}</VRTDataset>"""
BAND = """<VRTRasterBand dataType="Byte" band="{0}"><SimpleSource>
<SourceFilename relativeToVRT="1">a.tif</SourceFilename><SourceBand>{0}</SourceBand>
<SrcRect xOff="0" yOff="0" xSize="41" ySize="37"/>
<DstRect xOff="0" yOff="0" xSize="41" ySize="37"/></SimpleSource></VRTRasterBand>"""


def _pixels():
    return np.random.default_rng(3).integers(0, 256, SHAPE, np.uint8)


def _tiff(**how):
    def save(folder, pixels):
        planar = how.get("planarconfig") == "separate"
        tifffile.imwrite(folder / "a.tif", pixels.transpose(2, 0, 1) if planar else pixels, photometric="rgb", **how)
        return folder / "a.tif"

    return save


def _zarr(**how):
    def save(folder, pixels):
        zarr.create_array(folder / "a.zarr", data=pixels, **how)
        return folder / "a.zarr"

    return save


def _tiles(folder, pixels):
    (folder / "tiles").mkdir()
    for i, rows in enumerate((slice(0, 20), slice(20, 37))):
        for j, columns in enumerate((slice(0, 16), slice(16, 41))):
            Image.fromarray(pixels[rows, columns]).save(folder / "tiles" / f"a_r{i}_c{j}.png")
    return folder / "tiles"


def _vrt(folder, pixels):
    _tiff(tile=(16, 16))(folder, pixels)
    (folder / "a.vrt").write_text(VRT.format("".join(BAND.format(n + 1) for n in range(3))))
    return folder / "a.vrt"


def _turned(folder, pixels):
    stored = pixels.transpose(1, 0, 2)[::-1]  # upright again when turned by orientation 6
    tifffile.imwrite(folder / "a.tif", stored, photometric="rgb", rowsperstrip=5, extratags=[(274, 3, 1, 6, True)])
    return folder / "a.tif"


def _photograph(suffix, **how):
    def save(folder, pixels):
        Image.fromarray(pixels).save(folder / f"a{suffix}", **how)
        return folder / f"a{suffix}"

    return save


FORMATS = {
    "raw strips": _tiff(rowsperstrip=5),
    "deflate strips": _tiff(rowsperstrip=5, compression="deflate"),
    "one strip": _tiff(compression="deflate"),
    "tiles": _tiff(tile=(16, 16), compression="deflate"),
    "planes of strips": _tiff(planarconfig="separate", rowsperstrip=7),
    "planes of tiles": _tiff(planarconfig="separate", tile=(16, 32), compression="deflate"),
    "turned": _turned,
    "zarr": _zarr(chunks=(10, 12, 2)),
    "zarr 2": _zarr(chunks=(10, 12, 3), zarr_format=2),
    "zarr shards": _zarr(chunks=(8, 8, 3), shards=(16, 16, 3)),
    "folder of tiles": _tiles,
    "vrt": _vrt,
    "png": _photograph(".png"),
    "webp": _photograph(".webp", lossless=True),
}
INDICES = hn.basic_indices(SHAPE, max_dims=6, allow_newaxis=True, allow_ellipsis=True)
SLICES = st.slices(50)
OUT_OF_RANGE = st.tuples(SLICES, SLICES) | st.builds(
    slice, *[st.integers(-90, 90)] * 2, st.sampled_from([-7, -1, 1, 3])
)
EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def _same(found, expected):
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.fixture(scope="module", params=FORMATS)
def source_and_pixels(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexed")
    pixels = _pixels()
    return open_pixels(FORMATS[request.param](folder, pixels)), pixels


@EXAMPLES
@given(index=INDICES | OUT_OF_RANGE)
def test_source__is_indexed_as_numpy_indexes(source_and_pixels, index):
    source, pixels = source_and_pixels
    _same(source[index], np.asarray(pixels[index]))


@pytest.mark.parametrize(
    "index",
    [
        np.s_[::2, ::2], np.s_[..., 0], 5, -1, np.s_[::-3, 5], np.s_[30:2:-4, 40:1000], np.s_[9:9], np.s_[None, 3:5],
        np.s_[[3, 1, 3]], np.s_[:, [0, -1], 1], np.s_[:, :, [True, False, True]], np.s_[[[1], [2]], [5, 6]], (), (...,),
    ],
)  # fmt: skip
def test_source__of_integers_steps_and_lists(source_and_pixels, index):
    source, pixels = source_and_pixels
    _same(source[index], np.asarray(pixels[index]))


@pytest.mark.parametrize("index", [37, (0, -42), (0, 0, 0, 0), (..., ...), [37], 1.5, "y", np.s_[::0], True])
def test_source__refuses_what_numpy_refuses(source_and_pixels, index):
    source, pixels = source_and_pixels
    with pytest.raises((IndexError, ValueError)):
        source[index]
    if index is not True:  # which NumPy takes for a new axis
        with pytest.raises((IndexError, ValueError)):
            pixels[index]


@pytest.fixture(scope="module", params=FORMATS)
def image_and_pixels(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lazy")
    pixels = _pixels()
    return open_image(FORMATS[request.param](folder, pixels), chunk_bytes=1500), pixels


@settings(EXAMPLES, max_examples=15)
@given(index=INDICES.filter(lambda index: not isinstance(index, tuple) or None not in index))
def test_open_image__is_sliced_as_numpy_slices(image_and_pixels, index):
    image, pixels = image_and_pixels
    _same(np.asarray(image[index].compute(scheduler="synchronous")), np.asarray(pixels[index]))


def test_open_image__of_a_data_array_is_sliced_too():
    pixels = _pixels()
    image = open_image(xarray.DataArray(pixels, dims=("y", "x", "band")))
    _same(image[::2, 5, ::-1].compute(), pixels[::2, 5, ::-1])


@EXAMPLES
@given(index=hn.basic_indices(SHAPE[:2], allow_newaxis=True, allow_ellipsis=True))
def test_masks__are_indexed_as_numpy_indexes(tmp_path_factory, index):
    folder = tmp_path_factory.mktemp("masked")
    valid = np.random.default_rng(4).random(SHAPE[:2]) > 0.5
    Image.fromarray(_pixels()).save(folder / "a.png")
    Image.fromarray((valid * 255).astype(np.uint8)).save(folder / "mask.png")
    mask = open_picture(folder / "a.png", mask=folder / "mask.png").sources[1]
    _same(mask[index], np.asarray(valid[index]))


@EXAMPLES
@given(index=INDICES)
def test_regions_that_are_not_read__are_indexed_as_numpy_indexes(source_and_pixels, index):
    source, pixels = source_and_pixels
    regions = ((0, 5, 0, 41), (10, 20, 7, 30))
    expected, readable = pixels.copy(), np.ones(SHAPE[:2], bool)
    for top, bottom, left, right in regions:
        expected[top:bottom, left:right], readable[top:bottom, left:right] = 0, False
    _same(WithoutRegions(source, regions)[index], np.asarray(expected[index]))
    _same(ReadableMask(SHAPE[:2], regions)[...], readable)
