import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image

from dasksom import InputError, open_image, open_picture
from dasksom.cli.main import cli
from dasksom.image import Output, create_writer, open_pixels, publish
from dasksom.image.tiff.layout import tiff_layout

WAYS = {
    "raw strips": {},
    "deflate strips": {"rowsperstrip": 7, "compression": "zlib"},
    "one deflate strip": {"rowsperstrip": 301, "compression": "zlib"},
    "deflate tiles": {"tile": (64, 32), "compression": "zlib"},
    "zstd tiles, big-endian": {"tile": (64, 32), "compression": "zstd", "byteorder": ">"},
}


@pytest.fixture
def palette(random):
    return random.integers(0, 256, (256, 3), np.uint8)


@pytest.fixture
def indices(random):
    return random.integers(0, 256, (301, 222), np.uint8)


def _save(path, indices, palette, times=257, **how):
    colors = palette.T.astype(np.uint16) * times
    tifffile.imwrite(path, indices, photometric="palette", colormap=colors, **how)
    return path


@pytest.mark.parametrize("way", WAYS)
def test_reads__indices_as_their_colors(tmp_path, indices, palette, way):
    path = _save(tmp_path / "a.tif", indices, palette, **WAYS[way])
    image = open_image(path, chunk_bytes=30_000)
    assert (image.shape, image.dtype) == ((301, 222, 3), np.uint8)
    assert image.npartitions > 1
    assert np.array_equal(image.compute(), palette[indices])
    region = open_pixels(path)[17:203, 33:120, 1:3]
    assert region.flags.c_contiguous
    assert np.array_equal(region, palette[indices][17:203, 33:120, 1:3])


def test_reads__only_the_tiles_that_a_region_touches(tmp_path, indices, palette):
    source = open_pixels(_save(tmp_path / "a.tif", indices, palette, **WAYS["deflate tiles"]))
    decoded = []
    layout = tiff_layout(source.location, source.stamp, source.part)
    real = layout.decode
    object.__setattr__(layout, "decode", lambda data, index, **kw: decoded.append(index) or real(data, index, **kw))
    source[64:128, 32:96, 0:3]
    assert decoded == [8, 9]


@pytest.mark.parametrize(
    ("times", "offset", "expected"),
    [
        (257, 0, lambda c: c),  # GDAL, ourselves
        (256, 0, lambda c: c),  # Pillow
        (256, 255, lambda c: c),  # finer colors are cut
        (1, 0, lambda c: c),  # 8-bit values, as libtiff takes them
        (200, 0, lambda c: c.astype(int) * 200 >> 8),
    ],
)
def test_colors__the_upper_bits_of_each(tmp_path, indices, palette, times, offset, expected):
    colors = palette.T.astype(np.uint16) * times + offset
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=colors)
    assert np.array_equal(open_image(tmp_path / "a.tif").compute(), expected(palette)[indices])


def test_reads__indices_of_16_bits(tmp_path, random):
    palette = random.integers(0, 256, (65536, 3), np.uint8)
    indices = random.integers(0, 65536, (100, 90), np.uint16)
    path = _save(tmp_path / "a.tif", indices, palette, tile=(32, 32), byteorder=">")
    assert np.array_equal(open_image(path).compute(), palette[indices])


def test_reads__what_pillow_writes(tmp_path, photograph):
    image = Image.fromarray(photograph).quantize(200)
    image.save(tmp_path / "a.tif", compression="tiff_deflate")
    assert np.array_equal(open_image(tmp_path / "a.tif").compute(), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("nodata", [None, 0, 77])
def test_reads__what_gdal_writes(tmp_path, indices, palette, nodata):
    profile = {"driver": "GTiff", "count": 1, "height": 301, "width": 222, "dtype": "uint8", "nodata": nodata}
    profile |= {"photometric": "palette", "tiled": True, "blockxsize": 64, "blockysize": 64, "crs": "EPSG:32633"}
    profile |= {"transform": rasterio.transform.from_origin(500_000, 5_100_000, 10, 20)}
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
        file.write(indices, 1)
        file.write_colormap(1, {number: (*color.tolist(), 255) for number, color in enumerate(palette)})
        file.build_overviews([2], rasterio.enums.Resampling.nearest)
    found = open_picture(tmp_path / "a.tif", chunk_bytes=30_000)
    assert found.about["place on earth"] == "EPSG:32633"
    assert np.array_equal(found.pixels.compute(), palette[indices])
    with rasterio.open(tmp_path / "a.tif") as file, rasterio.open(tmp_path / "a.tif", overview_level=0) as half:
        counts, smaller = file.dataset_mask() > 0, half.read(1)
    assert (found.mask is not None) == (nodata is not None)
    assert np.array_equal(np.ones_like(counts) if found.mask is None else found.mask.compute(), counts)
    assert np.array_equal(open_image(tmp_path / "a.tif", level=1).compute(), palette[smaller])


@pytest.mark.parametrize(
    ("options", "bands", "masked"),
    [({}, 3, True), ({"nodata": "none"}, 3, False), ({"alpha": "drop"}, 3, False), ({"alpha": "band"}, 4, False)],
)
def test_nodata__is_an_index(tmp_path, indices, palette, options, bands, masked):
    tag = (42113, "s", 0, "9", True)
    path = _save(tmp_path / "a.tif", indices, palette, extratags=[tag], metadata=None)
    found = open_picture(path, **options)
    assert found.pixels.shape == (301, 222, bands)
    assert found.nodata is None
    assert np.array_equal(found.pixels[..., :3].compute(), palette[indices])
    assert (found.mask is not None) == masked
    if masked:
        assert found.about["mask"] == "no-data value"
        assert np.array_equal(found.mask.compute(), indices != 9)


def test_nodata__given_is_a_color_in_place_of_the_index(tmp_path, indices, palette):
    palette[5] = 3
    tag = (42113, "s", 0, "9", True)
    path = _save(tmp_path / "a.tif", indices, palette, extratags=[tag], metadata=None)
    assert np.array_equal(open_picture(path, nodata=3).mask.compute(), indices != 5)


def test_nodata__that_is_no_index_counts_for_nothing(tmp_path, indices, palette):
    tag = (42113, "s", 0, "-9999", True)
    assert open_picture(_save(tmp_path / "a.tif", indices, palette, extratags=[tag], metadata=None)).mask is None


def test_tiles_left_out__are_the_index_without_data(tmp_path, indices, palette):
    tiles = iter([indices[:64, :64], None])
    colors = palette.T.astype(np.uint16) * 257
    how = {"photometric": "palette", "colormap": colors, "tile": (64, 64), "compression": "zlib", "metadata": None}
    tag = (42113, "s", 0, "9", True)
    tifffile.imwrite(tmp_path / "a.tif", tiles, shape=(64, 128), dtype="u1", extratags=[tag], **how)
    found = open_picture(tmp_path / "a.tif")
    assert not found.mask[:, 64:].any().compute()
    assert np.array_equal(found.mask[:, :64].compute(), indices[:64, :64] != 9)


def test_reads__planes_series_and_bands(tmp_path, indices, palette):
    path, colors = tmp_path / "a.tif", palette.T.astype(np.uint16) * 257
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(np.stack([indices, indices[::-1]]), photometric="palette", colormap=colors, metadata={"axes": "ZYX"})
        tiff.write(indices[:50, :60], photometric="palette", colormap=colors[:, ::-1])
    with pytest.raises(InputError, match="--select z=0"):
        open_image(path)
    assert np.array_equal(open_image(path, select=["z=1"]).compute(), palette[indices[::-1]])
    assert np.array_equal(open_image(path, select=["q=1"], axes="qyx").compute(), palette[indices[::-1]])
    assert np.array_equal(open_image(path, select=["z=0", "s=2,0"]).compute(), palette[indices][..., [2, 0]])
    assert np.array_equal(open_image(path, series=1).compute(), palette[::-1][indices[:50, :60]])


def test_own_outputs__come_back(tmp_path, random):
    palette = random.integers(0, 256, (37, 3), np.uint8)
    labels = random.integers(0, 38, (2100, 1500), np.uint8)  # 37: no data
    how = {"height": 2100, "width": 1500, "chunks": (1024, 1024), "palette": palette, "metadata": {}, "nodata": True}
    with publish(tmp_path / "a.tif") as path:
        writer = create_writer(Output(path, **how))
        corners = [(y, x) for y in (0, 1024, 2048) for x in (0, 1024)]
        parts = [labels[y : y + 1024, x : x + 1024] for y, x in corners]
        encoded = [writer.encode(part, corner) for part, corner in zip(parts, corners, strict=True)]
        writer.collect((corner, part.shape, one) for corner, part, one in zip(corners, parts, encoded, strict=True))
    found = open_picture(tmp_path / "a.tif", chunk_bytes=2 << 20)
    counts = labels < 37
    assert np.array_equal(found.mask.compute(), counts)
    assert np.array_equal(found.pixels.compute()[counts], palette[labels[counts]])
    half = open_picture(tmp_path / "a.tif", level=1)
    assert np.array_equal(half.mask.compute(), counts[::2, ::2])
    assert np.array_equal(half.pixels.compute()[counts[::2, ::2]], palette[labels[::2, ::2][counts[::2, ::2]]])


def test_run__is_read_back_as_it_was_rebuilt(tmp_path, photograph, capsys):
    Image.fromarray(photograph).save(tmp_path / "a.png")
    common = ["--grid", "4x4", "--cluster", "threads"]
    for output in ("a.zarr", "a.tif"):
        cli(["quantize", str(tmp_path / "a.png"), str(tmp_path / output), *common], standalone_mode=False)
    again = open_image(tmp_path / "a.tif").compute()
    assert np.array_equal(again, open_image(tmp_path / "a.zarr", component="image").compute())
    capsys.readouterr()
    cli(["info", str(tmp_path / "a.tif")], standalone_mode=False)
    told = capsys.readouterr().out
    assert "256 colors, read as RGB of 8 bits" in told
    assert "3 bands of uint8" in told
    # and an image of the colors of a palette is what any other is
    cli(["quantize", str(tmp_path / "a.tif"), str(tmp_path / "b.tif"), *common], standalone_mode=False)
    assert open_image(tmp_path / "b.tif").shape == again.shape


def test_refuses__several_indices_a_pixel(tmp_path, photograph):
    Image.fromarray(photograph).quantize(16).convert("PA").save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"2 of .* bits each, with 256 colors: only one index a pixel.*-expand rgb"):
        open_image(tmp_path / "a.tif")


def test_refuses__no_palette(tmp_path, indices, palette):
    path = _save(tmp_path / "a.tif", indices, palette)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x40\x01\x03\x00", b"\x41\x01\x03\x00", 1))  # tag 320 is another one then
    with pytest.raises(InputError, match=r"indices into a palette, 1 of 8 bits each, with no colors"):
        open_image(path)


def test_mosaics__folders_of_tiles_but_no_vrt(tmp_path, indices, palette):
    folder = tmp_path / "tiles"
    folder.mkdir()
    _save(folder / "r0_c0.tif", indices, palette)
    _save(folder / "r0_c1.tif", indices, palette[::-1])
    both = np.concatenate([palette[indices], palette[::-1][indices]], axis=1)
    assert np.array_equal(open_image(folder).compute(), both)
    (tmp_path / "a.vrt").write_text(
        '<VRTDataset rasterXSize="222" rasterYSize="301"><VRTRasterBand dataType="Byte" band="1">'
        '<SimpleSource><SourceFilename relativeToVRT="1">tiles/r0_c0.tif</SourceFilename><SourceBand>1</SourceBand>'
        '<SrcRect xOff="0" yOff="0" xSize="222" ySize="301"/><DstRect xOff="0" yOff="0" xSize="222" ySize="301"/>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(InputError, match=r"holds indices into a palette.*gdal_translate"):
        open_image(tmp_path / "a.vrt")
