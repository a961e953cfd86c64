import pickle
import warnings

import numpy as np
import pytest
import pyvips
import rasterio
import tifffile
from PIL import Image
from rasterio.enums import ColorInterp
from rio_cogeo import cog_validate

from dasksom.errors import InputError
from dasksom.image import (
    Options,
    Output,
    Picture,
    check_format,
    create_writer,
    open_image,
    open_picture,
    open_result,
    publish,
)
from dasksom.image.writers.palettes import label_colors
from tests.image.writes import halved_colors, halved_labels, write


def _write(path, labels, palette, chunks=(512, 1024), **kwargs):
    height, width = labels.shape
    writer = create_writer(
        Output(path, height=height, width=width, chunks=chunks, palette=palette, metadata={"epochs": 3}, **kwargs)
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
    ("dtype", "bands", "units"),
    [("u1", 3, 300), ("u2", 1, 7), ("u2", 4, 9), ("f2", 3, 5), ("f4", 12, 5), (">f4", 2, 5)],
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
            Output(
                tmp_path / "a.tif",
                height=1000,
                width=512,
                chunks=(500, 512),
                palette=np.zeros((4, 3), "u1"),
                metadata={},
            )
        )
    writer = create_writer(
        Output(
            tmp_path / "a.tif", height=1000, width=512, chunks=(512, 512), palette=np.zeros((4, 3), "u1"), metadata={}
        )
    )
    with pytest.raises(RuntimeError, match="internal error"):
        writer.encode(np.zeros((100, 100), np.uint8), (100, 0))
    with pytest.raises(ValueError, match="internal error: label 4 of a palette of 4"):
        writer.encode(np.full((512, 512), 4, np.uint8), (0, 0))


# --------------------------------------------------------------------------------------------- levels, places, no data

UTM = (
    (33550, 12, 3, (10.0, 10.0, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 500000.0, 5400000.0, 0.0), True),
    (34735, 3, 16, (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632), True),
)
"""EPSG:32632, pixels of 10 m."""


@pytest.fixture
def scene(random):
    """Labels with holes, and a palette of 9 colors; odd sides."""
    labels = random.integers(0, 9, (301, 423), np.uint8)
    labels[:37, :41] = 200
    labels[100:, 300:] = 9
    return labels, random.integers(1, 255, (9, 3), np.uint8)


def _opened(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        return rasterio.open(path)


def _read_levels(path):
    """Read all levels with GDAL, bands first, and its masks."""
    found = []
    with _opened(path) as full:
        count = len(full.overviews(1))
    for level in range(-1, count):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(path, **({} if level < 0 else {"overview_level": level})) as one:
                found.append((one.read(), one.dataset_mask() > 0))
    return found


def _tifffile_levels(path):
    with tifffile.TiffFile(path) as tiff:
        return [level.asarray() for level in tiff.series[0].levels]


@pytest.mark.parametrize("chunks", [(301, 423), (64, 64), (192, 128), (64, 423)])
@pytest.mark.parametrize(("layout", "codec"), [("pyramid", "zlib"), ("cog", "zstd"), ("cog", "none")])
@pytest.mark.parametrize("pixels", ["palette", "labels"])
def test_writes__nearest_levels(tmp_path, scene, chunks, layout, codec, pixels):
    labels, palette = scene
    options = Options(chunk=64, layout=layout, codec=codec, pixels=pixels)
    write(
        tmp_path / "a.tif", labels, palette, chunks, nodata=True, options=options, picture=Picture(None, geo_tags=UTM)
    )
    assert {one.name for one in tmp_path.iterdir()} == {"a.tif", "a.tif.parts"}  # the latter goes when it is published
    expected = np.minimum(labels, 9) if pixels == "palette" else np.where(labels < 9, labels + 1, 0)
    for found in _tifffile_levels(tmp_path / "a.tif"):
        assert np.array_equal(found, expected)
        expected = halved_labels(expected)
    assert found.shape == (38, 53)
    with _opened(tmp_path / "a.tif") as scene:
        assert scene.crs.to_epsg() == 32632
        assert scene.transform == rasterio.Affine(10, 0, 500000, 0, -10, 5400000)
        assert scene.nodata == (9 if pixels == "palette" else 0)
        assert np.array_equal(scene.dataset_mask() > 0, labels < 9)
        if pixels == "palette":
            assert [scene.colormap(1)[k][:3] for k in range(9)] == [tuple(color) for color in palette.tolist()]
    if layout == "cog":
        valid, errors, hints = cog_validate(tmp_path / "a.tif", strict=True, quiet=True)
        assert (valid, errors, hints) == (True, [], [])
        expected = labels < 9
        for _, mask in _read_levels(tmp_path / "a.tif"):
            assert np.array_equal(mask, expected)
            expected = halved_labels(expected)


@pytest.mark.parametrize("chunks", [(301, 423), (64, 64), (192, 128)])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("value", [None, 7, -1])
def test_writes__mean_levels_of_colors(tmp_path, scene, chunks, dtype, value):
    labels, palette = scene
    palette = palette.astype(dtype)
    palette[3, 1] = 7  # a color that has the value for no data in one band
    picture = Picture(None, geo_tags=UTM, nodata=value)
    options = Options(chunk=64, layout="cog", pixels="colors")
    write(tmp_path / "a.tif", labels, palette, chunks, nodata=True, options=options, picture=picture)
    told = value == 7 or (value == -1 and dtype == "f4")
    near = palette.astype(float)
    if value == 7 and dtype != "f4":
        near[palette == 7] += 1
    colors, present = near[np.minimum(labels, 8)], labels < 9
    with _opened(tmp_path / "a.tif") as opened:
        alpha = opened.count == 4
        assert alpha == (not told and dtype != "f4")
        if not alpha:
            assert opened.nodata == value if told else np.isnan(opened.nodata)
        else:
            assert opened.colorinterp[3] == rasterio.enums.ColorInterp.alpha
    levels = _read_levels(tmp_path / "a.tif")
    assert len(levels) == 4
    for pixels, mask in levels:
        if not (value == 7 and dtype == "f4"):
            assert np.array_equal(mask, present)
        away = np.abs(np.moveaxis(pixels[:3], 0, -1).astype(float) - colors)[present]
        # means that would be 7 give way, and their own means follow by less
        assert away.max() < (1e-3 if dtype == "f4" else 1.5 if told else 0.01)
        colors, present = halved_colors(colors.astype(dtype) if dtype == "f4" else colors, present)
        colors = colors if dtype == "f4" else np.floor(colors + 0.5)
    valid, errors, _ = cog_validate(tmp_path / "a.tif", quiet=True)
    assert (valid, errors) == (True, [])


def test_writes__the_same_pixels_for_any_chunks(tmp_path, scene):
    labels, palette = scene
    found = []
    for number, chunks in enumerate([(301, 423), (64, 64), (192, 128), (128, 423)]):
        path = tmp_path / f"{number}.tif"
        write(path, labels, palette, chunks, nodata=True, options=Options(chunk=64, layout="pyramid", pixels="colors"))
        found.append(_tifffile_levels(path))
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_writes__read_by_vips_and_pillow(tmp_path, scene):
    labels, palette = scene
    labels = np.minimum(labels, 8)
    write(tmp_path / "a.tif", labels, palette, (128, 128), options=Options(chunk=64, layout="pyramid"))
    found = pyvips.Image.new_from_file(str(tmp_path / "a.tif"))
    assert np.array_equal(found.numpy()[..., :3], palette[labels])
    second = pyvips.Image.new_from_file(str(tmp_path / "a.tif"), subifd=0)
    assert np.array_equal(second.numpy()[..., :3], palette[labels[::2, ::2]])
    write(tmp_path / "b.tif", labels, palette, (128, 128), options=Options(chunk=64, pixels="colors"))
    with Image.open(tmp_path / "b.tif") as image:
        assert np.array_equal(np.asarray(image), palette[labels])


def test_writes__size_of_a_pixel(tmp_path, scene):
    labels, palette = scene
    picture = Picture(None, pixel_size=(0.5, 0.25), unit="micrometer")
    write(tmp_path / "a.tif", labels, palette, (512, 512), nodata=True, picture=picture)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        page = tiff.pages[0]
        assert page.get_resolution("micrometer") == pytest.approx((4, 2))
        assert len(tiff.series[0].levels) == 1  # small enough to go without


def test_writes__uint16_labels_of_many_units(tmp_path, random):
    palette = random.integers(0, 256, (3000, 3), np.uint8)
    labels = random.integers(0, 3000, (700, 1100), np.uint16)
    _write(tmp_path / "a.tif", labels, palette, options=Options(pixels="labels"))
    with _opened(tmp_path / "a.tif") as opened:
        assert opened.dtypes == ("uint16",)
        assert np.array_equal(opened.read(1), labels + 1)


@pytest.mark.parametrize(("units", "dtype"), [(255, "uint8"), (256, "uint16")])
def test_writes__labels_without_the_image_with_a_color_table(tmp_path, random, units, dtype):
    palette = random.normal(0, 100, (units, 5)).astype(np.float32)
    labels = random.integers(0, units + 1, (700, 1100), np.uint16)
    _write(tmp_path / "a.tif", labels, palette, nodata=True, with_image=False, options=Options(chunk=128))
    with _opened(tmp_path / "a.tif") as opened:
        assert (opened.dtypes, opened.nodata, opened.overviews(1)) == ((dtype,), 0, [2, 4, 8, 16])
        assert np.array_equal(opened.read(1), np.where(labels < units, labels + 1, 0))
        table = opened.colormap(1)
    assert [table[unit + 1] for unit in range(units)] == [(*color, 255) for color in label_colors(palette).tolist()]
    with open_result(tmp_path / "a.tif") as result:
        assert np.array_equal(result.palette, palette)
        found = result.units_of(np.asarray(result.labels[0]))
    assert np.array_equal(found, np.where(labels < units, labels.astype(int), -1))
    _write(tmp_path / "b.tif", labels, palette, nodata=True, with_image=False, options=Options(pixels="labels"))
    with _opened(tmp_path / "b.tif") as plain:
        assert plain.colorinterp == (ColorInterp.gray,)


@pytest.mark.parametrize(
    ("name", "units", "pixels", "message"),
    [
        ("a.tif", 9, "colors", "pixels='colors'"),
        ("a.tif", 60_000, "auto", r"holds at most 1 MiB of colors of labels, and these are 1\.4 MiB"),
        ("a.png", 9, "labels", r"written to \.ome\.zarr, \.tif, \.tiff, \.zarr; a \.png of labels .* --pixels labels"),
    ],
)
def test_refused__without_the_image(tmp_path, name, units, pixels, message):
    how = {"shape": (9, 9, 3), "dtype": np.dtype("f8"), "units": units, "options": Options(pixels=pixels)}
    with pytest.raises(InputError, match=message):
        check_format(tmp_path / name, with_image=False, **how)


def test_refused__palettes_that_are_too_large(tmp_path):
    with pytest.raises(
        InputError, match=r"holds 256 colors .* 256 colors .* one entry for no data; .*'colors' or 'labels'"
    ):
        check_format(
            tmp_path / "a.tif",
            shape=(9, 9, 3),
            dtype=np.dtype("u1"),
            units=256,
            nodata=True,
            options=Options(pixels="palette"),
        )
    with pytest.raises(InputError, match=r"shard \(--shard\) has no meaning for this format; it is for \.ome\.zarr"):
        check_format(tmp_path / "a.tif", shape=(9, 9, 3), dtype=np.dtype("u1"), units=2, options=Options(shard=1024))


def test_writes__no_pixel_through_the_driver(tmp_path, scene):
    labels, palette = scene
    writer = create_writer(
        Output(tmp_path / "a.tif", height=301, width=423, chunks=(512, 512), palette=palette, metadata={}, nodata=True)
    )
    stored = writer.encode(labels, (0, 0))
    assert [name for name, _ in stored] == ["0-0-0"]
    assert writer.are_intact(stored)
    assert len(pickle.dumps(writer)) < 3000


def test_failed_run__leaves_nothing_behind(tmp_path, scene):
    labels, palette = scene

    def fail():
        with publish(tmp_path / "a.tif") as temporary:
            writer = create_writer(
                Output(temporary, height=301, width=423, chunks=(512, 512), palette=palette, metadata={}, nodata=True)
            )
            writer.encode(labels, (0, 0))
            assert list(tmp_path.iterdir())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i2", "i4", "i8", "f4"])
@pytest.mark.parametrize("end", ["min", "max"])
def test_writes__nodata_at_the_end_of_a_range(tmp_path, random, dtype, end):
    limits = np.finfo(dtype) if dtype == "f4" else np.iinfo(dtype)
    value = getattr(limits, end)
    value = float(value) if dtype == "f4" else int(value)
    palette = random.integers(1, 100, (6, 4)).astype(dtype)
    palette[0] = value  # a color that would read as no data
    labels = random.integers(0, 7, (96, 80)).astype(np.uint8)
    write(tmp_path / "a.tif", labels, palette, (96, 80), nodata=True, picture=Picture(None, nodata=value))
    with rasterio.open(tmp_path / "a.tif") as file:
        if np.dtype(dtype).itemsize < 8:  # of 64-bit integers rasterio gives none
            assert file.nodatavals[0] == value
        found = np.moveaxis(file.read(), 0, -1)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert np.dtype(dtype).type(file.pages.first.tags[42113].value) == value
    assert np.array_equal((found == value).all(axis=2), labels == 6)
    assert np.array_equal(found[(labels > 0) & (labels < 6)], palette[labels[(labels > 0) & (labels < 6)]])


def test_many_values_of_a_tag__are_kept(tmp_path, random):
    points = [
        rasterio.control.GroundControlPoint(row=float(n), col=2.0 * n, x=10 + n / 7, y=50 - n / 9) for n in range(189)
    ]
    pixels = random.integers(0, 256, (3, 200, 400), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(
            tmp_path / "in.tif",
            "w",
            driver="GTiff",
            width=400,
            height=200,
            count=3,
            dtype="uint8",
            gcps=points,
            crs="EPSG:4326",
        ) as file:
            file.write(pixels)
    picture = open_picture(tmp_path / "in.tif")
    palette = random.integers(0, 256, (9, 3), np.uint8)
    write(tmp_path / "a.tif", random.integers(0, 9, (200, 400)).astype(np.uint8), palette, (512, 512), picture=picture)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(tmp_path / "a.tif") as file:
            found, crs = file.gcps
    assert crs.to_epsg() == 4326
    assert [(p.row, p.col, p.x, p.y) for p in found] == [(p.row, p.col, p.x, p.y) for p in points]
