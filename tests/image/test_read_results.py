import json

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image, PngImagePlugin

from dasksom.errors import InputError
from dasksom.image import Options, Output, check_result, create_writer, open_result, size_on_disk

ABOUT = {"parameters": {"rows": 3, "columns": 4}}


def write(path, labels, palette, about=ABOUT, **how):
    height, width = labels.shape
    writer = create_writer(
        Output(path, height=height, width=width, chunks=(512, 512), palette=palette, metadata=about, **how)
    )
    corners = [(y, x) for y in range(0, height, 512) for x in range(0, width, 512)]
    parts = [(at, labels[at[0] : at[0] + 512, at[1] : at[1] + 512]) for at in corners]
    writer.collect((at, part.shape, writer.encode(part, at)) for at, part in parts)
    return writer


@pytest.fixture
def palette(random):
    return random.integers(0, 256, (12, 3), np.uint8)


@pytest.fixture
def labels(random):
    """Labels of 12 units, and 12 where there is no data."""
    return random.integers(0, 13, (600, 530), np.uint8)


@pytest.mark.parametrize("name", ["a.zarr", "a.tif", "a.png"])
def test_opens__what_was_written(tmp_path, labels, palette, name):
    write(tmp_path / name, labels, palette, nodata=True)
    with open_result(tmp_path / name) as result:
        [lazy] = result.labels
        numbers = lazy.compute(scheduler="threads")
        assert result.shape == (600, 530)
        assert np.array_equal(result.palette, palette)
        assert result.palette.dtype == palette.dtype
        units = result.units_of(numbers)
        assert np.array_equal(units, np.where(labels < 12, labels.astype(int), -1))
        pixels, there = result.rebuilt(numbers)
        assert np.array_equal(there, labels < 12)
        assert np.array_equal(pixels[there], palette[labels[there]])
        assert not pixels[~there].any()
        assert result.about["parameters"] == ABOUT["parameters"]


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize(("dtype", "bands", "units"), [(np.uint8, 3, 12), (np.float32, 7, 12), (np.uint16, 2, 300)])
def test_opens__labels_with_their_palette(tmp_path, random, name, dtype, bands, units):
    palette = (random.random((units, bands)) * 200).astype(dtype)
    labels = random.integers(0, units + 1, (530, 600), np.uint16)
    write(tmp_path / name, labels, palette, nodata=True, options=Options(pixels="labels"))
    with open_result(tmp_path / name) as result:
        assert np.array_equal(result.palette, palette)
        assert result.palette.dtype == dtype
        units_there = result.units_of(result.labels[0].compute(scheduler="threads"))
        assert np.array_equal(units_there, np.where(labels < units, labels.astype(int), -1))
        assert result.about["parameters"] == ABOUT["parameters"]


@pytest.mark.parametrize("text", [None, "", "{", '{"dasksom": {"parameters": {"rows": 300}}}', "[" * 9000])
@pytest.mark.parametrize("mode", ["P", "L", "RGB", "1"])
def test_refuses__pngs_of_others(tmp_path, text, mode):
    notes = PngImagePlugin.PngInfo()
    if text is not None:
        notes.add_text("dasksom", text)
    Image.new(mode, (9, 7)).save(tmp_path / "a.png", pnginfo=notes)
    with pytest.raises(InputError, match="holds no"), open_result(tmp_path / "a.png"):
        pass
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(InputError, match=r"a\.png: "), open_result(tmp_path / "a.png"):
        pass


def test_opens__floating_point_with_nan_where_there_is_no_data(tmp_path, labels, palette):
    write(tmp_path / "a.zarr", labels, palette.astype(np.float32), nodata=True)
    with open_result(tmp_path / "a.zarr") as result:
        pixels, there = result.rebuilt(result.labels[0].compute(scheduler="threads"))
    assert np.isnan(pixels[~there]).all()


def test_opens__a_pyramid(tmp_path, labels, palette):
    group = zarr.create_group(tmp_path / "a.ome.zarr", attributes={"dasksom": {"metadata": ABOUT}})
    group.create_array("palette", data=palette)
    for level in range(11):  # 10 comes after 9, not after 1
        group.create_array(f"labels/som/{level}", data=labels[level:] + np.uint8(1))
    with open_result(tmp_path / "a.ome.zarr") as result:
        assert [level.shape[0] for level in result.labels] == list(range(600, 589, -1))
        found = result.units_of(result.labels[3].compute(scheduler="threads"))
    assert np.array_equal(found, np.where(labels[3:] < 12, labels[3:].astype(int), -1))


@pytest.mark.parametrize("layout", ["pyramid", "cog"])
def test_opens__a_tiff_with_levels(tmp_path, labels, palette, layout):
    write(tmp_path / "a.tif", labels, palette, nodata=True, options=Options(chunk=128, layout=layout))
    with open_result(tmp_path / "a.tif") as result:
        assert [level.shape for level in result.labels] == [(600, 530), (300, 265), (150, 133), (75, 67)]
        for number, level in enumerate(result.labels):
            units = result.units_of(level.compute(scheduler="threads"))
            step = 1 << number
            assert np.array_equal(units, np.where(labels < 12, labels.astype(int), -1)[::step, ::step])


@pytest.mark.parametrize(
    "attributes", [{}, {"dasksom": 5}, {"dasksom": {}}, {"dasksom": {"metadata": "text"}}, {"dasksom": []}]
)
def test_refuses__groups_of_others(tmp_path, palette, labels, attributes):
    group = zarr.create_group(tmp_path / "a.zarr", attributes=attributes)
    group.create_array("palette", data=palette)
    group.create_array("labels", data=labels)
    with pytest.raises(InputError, match="not an output of dasksom"), open_result(tmp_path / "a.zarr"):
        pass


@pytest.mark.parametrize("description", ["", "{", '{"dasksom": 1}', '{"dasksom": {"parameters": []}}', "[" * 5000])
def test_refuses__tiffs_of_others(tmp_path, labels, description):
    tifffile.imwrite(
        tmp_path / "a.tif",
        labels,
        photometric="palette",
        colormap=np.zeros((3, 256), np.uint16),
        description=description,
        metadata=None,
    )
    with pytest.raises(InputError, match="holds no palette"), open_result(tmp_path / "a.tif"):
        pass


@pytest.mark.parametrize("rows", [-3, 100, "three", None, 1e300])
def test_refuses__tiffs_that_tell_another_size(tmp_path, labels, rows):
    told = {"dasksom": {"parameters": {"rows": rows, "columns": 4}}}
    tifffile.imwrite(
        tmp_path / "a.tif",
        labels,
        photometric="palette",
        colormap=np.zeros((3, 256), np.uint16),
        description=json.dumps(told),
        metadata=None,
    )
    with pytest.raises(InputError, match="holds no palette"), open_result(tmp_path / "a.tif"):
        pass


def test_refuses__what_is_no_tiff(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0 and nothing else")
    with pytest.raises(InputError, match="not a TIFF"), open_result(tmp_path / "a.tif"):
        pass


@pytest.mark.parametrize(
    ("name", "dtype", "bands", "units", "fits"),
    [
        ("a.zarr", np.float32, 9, 4000, True),
        ("a.tif", np.uint8, 3, 256, True),
        ("a.tif", np.uint8, 3, 257, False),
        ("a.tif", np.uint16, 3, 9, False),
        ("a.tif", np.uint8, 1, 9, False),
        ("a.png", np.uint8, 3, 256, True),
        ("a.png", np.uint8, 3, 257, False),
        ("a.jpg", np.uint8, 3, 9, False),
    ],
)
def test_check__tells_before_writing(name, dtype, bands, units, fits):
    how = {"dtype": np.dtype(dtype), "bands": bands, "units": units}
    if fits:
        check_result(name, **how)
    else:
        with pytest.raises(InputError, match="cannot be read again"):
            check_result(name, **how)


@pytest.mark.parametrize(("pixels", "fits"), [("labels", True), ("colors", False)])
def test_check__knows_what_the_pixels_are(pixels, fits):
    how = {"dtype": np.dtype(np.uint8), "bands": 3, "units": 9, "pixels": pixels}
    if fits:
        check_result("a.tif", **{**how, "dtype": np.dtype(np.float32)})
    else:
        with pytest.raises(InputError, match="cannot be read again"):
            check_result("a.tif", **how)


def test_annotate__adds_to_what_is_said(tmp_path, labels, palette):
    write(tmp_path / "a.zarr", labels, palette, nodata=True).annotate({"run": {"seconds": 3}})
    with open_result(tmp_path / "a.zarr") as result:
        assert result.about == {**ABOUT, "run": {"seconds": 3}}
    assert zarr.open_group(tmp_path / "a.zarr").attrs["dasksom"]["units"] == 12


def test_annotate__does_not_change_single_files(tmp_path, labels, palette):
    writer = write(tmp_path / "a.tif", labels, palette, nodata=True)
    before = (tmp_path / "a.tif").read_bytes()
    writer.annotate({"run": {}})
    assert (tmp_path / "a.tif").read_bytes() == before


def test_size__of_a_file_and_of_all_in_a_folder(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"123")
    (tmp_path / "a" / "b" / "two").write_bytes(b"12345")
    assert size_on_disk(tmp_path / "a") == 8
    assert size_on_disk(tmp_path / "a" / "one") == 3
    assert size_on_disk(tmp_path / "none") is None
