"""Classes of outputs: the same in every format, resumed, verified, and read by other programs."""

import json
import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
import rasterio.features
import tifffile
import xarray
import zarr
from ome_zarr_models.v05.image_label import ImageLabel
from rasterio.transform import from_origin
from scipy import ndimage
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from dasksom import BatchSOM, InputError
from dasksom.chunkwise import ThrottledKeeper
from dasksom.classes import class_pass, reference_classes
from dasksom.classes.class_image import Tidying
from dasksom.config import RunConfig
from dasksom.image import open_result, verify
from dasksom.image.tiff import writer as tiff_writer
from dasksom.image.zarr import class_writer
from dasksom.model_files import codebook_at
from dasksom.models import restore_map
from dasksom.runs.classes.class_choice import ClassOptions
from dasksom.runs.classes.class_run import classify_output, resume_classes
from dasksom.runs.workflows import quantize_image
from tests.runs.test_resume import StoppedError, Stops

OUTPUTS = ["out.zarr", "out.ome.zarr", "out.tif", "labels.ome.zarr", "labels.tif"]
"""Those of `labels` are written without the image."""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, photograph):
    """Outputs of a georeferenced image with pixels without data, in every format."""
    folder = tmp_path_factory.mktemp("outputs")
    image = photograph[:320, :384].copy()
    image[:40, :30] = 0
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_300_000, 10, 10), "nodata": 0}
    with rasterio.open(folder / "scene.tif", "w", "GTiff", 384, 320, 3, dtype="uint8", **place) as file:
        file.write(np.moveaxis(image, -1, 0))
    for name in OUTPUTS:
        form = name.partition(".")[2]
        more = {"tif": {"layout": "pyramid"}, "ome.zarr": {"shard": 64}}.get(form, {})
        output = {"chunk": 64, "image": not name.startswith("labels"), **more}
        config = {"map": {"grid": [4, 4], "epochs": 3, "refine": 0}, "output": output}
        quantize_image(str(folder / "scene.tif"), str(folder / name), RunConfig.model_validate(config), Stops())
    return folder


@pytest.fixture
def output(request, outputs, tmp_path):
    """A copy of the outputs to change."""
    shutil.copytree(outputs, tmp_path, dirs_exist_ok=True)
    return tmp_path


def classes_in(folder, name):
    if name == "out.zarr":
        return zarr.open_array(folder / name / "classes")[...]
    if name.endswith(".ome.zarr"):
        return zarr.open_array(folder / name / "labels/classes/0")[...]
    with rasterio.open(folder / f"{name}.classes.tif") as file:
        return file.read(1)


def expected_classes(folder, name, count):
    """Group the units again, and look up the class of each label with NumPy."""
    with open_result(folder / name) as result:
        units = result.units_of(np.asarray(result.labels[0]))
    som = restore_map(BatchSOM(), codebook_at(folder / name))
    table = som.group(count, hits=np.bincount(units[units >= 0], minlength=16))
    return np.where(units >= 0, table.numbers[units], 0), table


def xml_of(path):
    return ElementTree.parse(path)  # noqa: S314 - our own


def problems(path):
    return [checked for checked in verify(str(path)) if checked.problem is not None]


@pytest.mark.parametrize("name", OUTPUTS)
def test_classify__writes_the_class_of_every_pixel(output, name):
    lines = classify_output(str(output / name), None, ClassOptions(5), Stops())
    expected, table = expected_classes(output, name, 5)
    assert np.array_equal(classes_in(output, name), expected)
    assert (expected == 0).sum() >= 40 * 30
    assert not problems(output / name)
    shares = np.bincount(expected.ravel())[1:] / (expected > 0).sum()
    assert [line.rsplit(", ")[1] for line in lines[:5]] == [f"{share:.1%}" for share in shares]
    csv = output / f"{name.removesuffix('.zarr')}.classes.csv"
    assert csv.read_text() == table.to_csv()


@pytest.mark.parametrize(("name", "som", "listed"), [("out", "labels/som", ["som"]), ("labels", "", [])])
def test_classes__of_a_pyramid_are_those_of_its_labels(output, name, som, listed):
    path = output / f"{name}.ome.zarr"
    classify_output(str(path), None, ClassOptions(5), Stops())
    root = zarr.open_group(path, mode="r")
    _, table = expected_classes(output, "out.ome.zarr", 5)
    levels = [level for level in root["labels/classes"].array_keys() if level.isdigit()]
    assert len(levels) > 1
    for level in levels:
        labels, classes = root[f"{som}/{level}"], root[f"labels/classes/{level}"]
        assert (classes.chunks, classes.shards) == (labels.chunks, labels.shards)
        assert np.array_equal(classes[...], np.append(0, table.numbers)[labels[...]])
    assert root["labels"].attrs["ome"]["labels"] == [*listed, "classes"]
    label = ImageLabel.from_zarr(root["labels/classes"]).attributes.ome.image_label
    assert [tuple(color.rgba) for color in label.colors] == [(*color, 255) for color in table.colors.tolist()]
    properties = root["labels/classes"].attrs["ome"]["image-label"]["properties"]  # napari takes one value of each name
    assert properties == [{"label-value": number + 1, "name": name} for number, name in enumerate(table.names)]


def test_classes__of_a_zarr_have_names_for_xarray(output):
    classify_output(str(output / "out.zarr"), None, ClassOptions(3), Stops())
    attributes = zarr.open_array(output / "out.zarr/classes").attrs.asdict()
    classes = xarray.DataArray(classes_in(output, "out.zarr"), attrs=attributes)
    assert classes.attrs["flag_values"] == [1, 2, 3]
    assert classes.attrs["flag_meanings"] == "class_1 class_2 class_3"


def test_class_tiff__has_place_colors_and_names(output):
    (output / "names.csv").write_text("class,name,color\n1,river & lake,#0000ff\n2,<forest>,\n")
    options = ClassOptions(4, names=str(output / "names.csv"))
    classify_output(str(output / "out.zarr"), str(output / "groups.tif"), options, Stops())
    expected, table = expected_classes(output, "out.zarr", 4)
    with rasterio.open(output / "groups.tif") as file, rasterio.open(output / "scene.tif") as scene:
        assert np.array_equal(file.read(1), expected)
        assert (file.crs, file.transform, file.nodata) == (scene.crs, scene.transform, 0)
        colors = file.colormap(1)
        assert colors[1] == (0, 0, 255, 255)
        assert colors[2] == (*table.colors[1].tolist(), 255)
    rows = xml_of(output / "groups.tif.aux.xml").findall(".//Row")
    assert [row[1].text for row in rows] == ["river & lake", "<forest>", "class 3", "class 4"]
    counts = np.bincount(expected.ravel())[1:]
    assert [int(row[2].text) for row in rows] == counts.tolist()
    assert [field[0].text for field in xml_of(output / "groups.tif.aux.xml").findall(".//FieldDefn")][-1] == "Area_ha"
    assert [float(row[6].text) for row in rows] == pytest.approx(counts * 0.01, rel=1e-12), "pixels of 10 m"
    style = xml_of(output / "groups.qml").findall(".//paletteEntry")
    assert [(entry.get("value"), entry.get("label")) for entry in style][:2] == [
        ("1", "river & lake"),
        ("2", "<forest>"),
    ]
    assert (output / "groups.csv").read_text().count("river & lake") == (table.numbers == 1).sum()


def test_class_tiff__of_many_classes_has_16_bits(tmp_path):
    image = np.arange(300, dtype=np.uint16).reshape(15, 20).repeat(16, 0).repeat(16, 1)
    tifffile.imwrite(tmp_path / "image.tif", image)
    config = RunConfig.model_validate({"map": {"grid": [1, 300], "epochs": 20}})
    quantize_image(str(tmp_path / "image.tif"), str(tmp_path / "out.zarr"), config, Stops())
    _, table = expected_classes(tmp_path, "out.zarr", 260)
    classify_output(str(tmp_path / "out.zarr"), str(tmp_path / "classes.tif"), ClassOptions(260), Stops())
    found = tifffile.imread(tmp_path / "classes.tif")
    with open_result(tmp_path / "out.zarr") as result:
        assert found.dtype == np.uint16
        assert np.array_equal(found, table.of_labels(result.units_of(np.asarray(result.labels[0]))))
    with tifffile.TiffFile(tmp_path / "classes.tif") as file:
        assert np.array_equal(file.pages.first.colormap.T[1:261] >> 8, table.colors)


def test_classify__takes_edited_tables_and_keeps_written_ones(output):
    path, csv = str(output / "out.zarr"), output / "out.classes.csv"
    classify_output(path, None, ClassOptions(4), Stops())
    with pytest.raises(InputError, match=r"out.classes.csv: exists already"):
        classify_output(path, None, ClassOptions(4), Stops())
    before = classes_in(output, "out.zarr")
    csv.write_text(csv.read_text().replace("class 3", "class 1"))  # merged by name
    classify_output(path, None, ClassOptions(names=str(csv)), Stops(), overwrite=True)
    assert np.array_equal(classes_in(output, "out.zarr"), np.where(before == 3, 1, before))
    assert not problems(path)
    classify_output(path, str(output / "same.tif"), ClassOptions(), Stops())  # those that were written
    with rasterio.open(output / "same.tif") as file:
        assert np.array_equal(file.read(1), classes_in(output, "out.zarr"))


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize(("again", "tidying"), [("resume", Tidying()), ("same command", Tidying(3))])
def test_classify__resumes(output, name, again, tidying, monkeypatch):
    monkeypatch.setattr(ThrottledKeeper, "is_due", True)
    monkeypatch.setattr(class_writer, "BLOCK_SIDE", 64)
    monkeypatch.setattr(class_pass, "TIFF_BLOCK", 64)
    monkeypatch.setattr(tiff_writer, "TIFF_TILE", 64)
    path = str(output / name)
    with pytest.raises(StoppedError):
        classify_output(path, None, ClassOptions(5, tidying=tidying), Stops(3))  # in the second of two windows
    watcher = Stops()
    if again == "resume":
        target = f"{path}.classes.tif" if name.endswith(".tif") else path
        assert resume_classes(target, watcher)
    else:
        classify_output(path, None, ClassOptions(5, tidying=tidying), watcher)
    assert watcher.steps < 4
    expected = tidied_by_others(expected_classes(output, name, 5)[0], tidying.smooth, 0)
    assert np.array_equal(classes_in(output, name), expected)
    assert not problems(path)
    assert not list(output.rglob(".*"))
    assert resume_classes(path, Stops()) is None


def smoothed_by_scipy(classes, window):
    """The most frequent class of a window: of equal ones its own, then the lowest; 0 stays and has no vote."""

    def vote(values):
        own, counts = int(values[len(values) // 2]), np.bincount(values[values > 0].astype(int), minlength=2)
        return own if own == 0 or counts[own] == counts.max() else counts.argmax()

    return ndimage.generic_filter(classes, vote, window, mode="constant")


def tidied_by_others(classes, smooth, min_area):
    classes = classes.astype(np.uint8)
    tidied = smoothed_by_scipy(classes, smooth) if smooth else classes
    return rasterio.features.sieve(tidied, min_area, mask=tidied > 0) if min_area else tidied


@pytest.mark.parametrize("block", [64, 192, 4096])
@pytest.mark.parametrize(("smooth", "min_area"), [(3, 0), (0, 40), (5, 25)])
def test_classify__tidies_as_scipy_and_gdal_do(output, smooth, min_area, block, monkeypatch):
    monkeypatch.setattr(class_writer, "BLOCK_SIDE", block)
    monkeypatch.setattr(class_pass, "TIFF_BLOCK", block)
    monkeypatch.setattr(tiff_writer, "TIFF_TILE", 64)
    expected = tidied_by_others(expected_classes(output, "out.tif", 5)[0], smooth, min_area)
    options = ClassOptions(5, tidying=Tidying(smooth, min_area))
    for name in ("out.ome.zarr", "out.tif"):
        lines = classify_output(str(output / name), None, options, Stops())
        assert np.array_equal(classes_in(output, name), expected)
        assert not problems(output / name)
    pixels = np.bincount(expected.ravel(), minlength=6)[1:]
    assert [line.rsplit(", ")[1] for line in lines[:5]] == [f"{share:.1%}" for share in pixels / pixels.sum()]
    rows = xml_of(output / "out.tif.classes.tif.aux.xml").findall(".//Row")
    assert [int(row[2].text) for row in rows] == pixels.tolist()
    levels = zarr.open_group(output / "out.ome.zarr/labels/classes", mode="r")
    assert np.array_equal(levels["1"][...], expected[::2, ::2])


@pytest.mark.parametrize("tile", [16, 112, 512])
@pytest.mark.parametrize("held_out", [0.3, 0])
def test_classify__takes_the_classes_of_a_reference(output, held_out, tile, monkeypatch):
    """Next to scikit-learn's confusion matrix and kappa, and pandas' crosstab of the complete image."""
    monkeypatch.setattr(reference_classes, "HELD_OUT_TILE", 48)
    path = str(output / "out.zarr")
    with open_result(path) as result:
        units = result.units_of(np.asarray(result.labels[0]))
    random = np.random.default_rng(0)
    reference = np.where(random.random(units.shape) < 0.8, units % 4 * 5, random.integers(0, 4, units.shape) * 5)
    reference[units == 3] = 0  # a unit without known pixels
    colors = {"photometric": "palette", "colormap": np.zeros((3, 1 << 16), np.uint16)} if tile == 16 else {}
    stored = reference.astype(np.uint16)
    tifffile.imwrite(output / "known.tif", stored, tile=(tile, tile), compression="zlib", **colors)
    options = ClassOptions(reference=str(output / "known.tif"), held_out=held_out, seed=4)
    lines = classify_output(path, None, options, Stops())
    tiles = np.random.default_rng(4).random((7, 8)) < held_out
    tested = tiles.repeat(48, 0).repeat(48, 1)[:320, :384] & (reference > 0) & (units >= 0)
    fitted = (reference > 0) & (units >= 0) & ~tested
    counts = pd.crosstab(units[fitted], reference[fitted])
    purity = pd.read_csv(output / "out.classes.purity.csv").set_index("unit")
    assert 3 not in counts.index
    assert (purity["class"][counts.index] == counts.idxmax(axis=1)).all()
    assert (purity.reference_pixels[counts.index] == counts.sum(axis=1)).all()
    assert (purity.purity[counts.index] == counts.max(axis=1) / counts.sum(axis=1)).all()
    classes = classes_in(output, "out.zarr")
    assert np.array_equal(classes, np.append(purity["class"], 0)[units])
    assert any(line.startswith("1 unit has no reference pixels") for line in lines)
    accuracy = output / "out.classes.accuracy.json"
    assert accuracy.exists() == bool(held_out)
    if held_out:
        about = json.loads(accuracy.read_text())
        assert about["confusion"] == confusion_matrix(reference[tested], classes[tested]).tolist()
        assert about["kappa"] == pytest.approx(cohen_kappa_score(reference[tested], classes[tested]), rel=1e-12)
        table = pd.read_csv(output / "out.classes.confusion.csv")
        assert table.drop(columns="reference").to_numpy().tolist() == about["confusion"]
    assert not problems(path)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (np.zeros((320, 384), np.uint8), "no known pixels outside the tiles"),
        (
            np.ones((320, 384, 3), np.uint8),
            "3 bands of uint8; one band of integers, or of indices into a palette, is needed",
        ),
        (np.full((320, 384), 70_000, np.uint32), "class 70000; numbers of classes are 1 to 65535"),
        (np.ones((320, 380), np.uint8), "384 x 320 pixels, and the other image of 380 x 320"),
    ],
)
def test_classify__refuses_other_references(output, reference, message):
    tifffile.imwrite(output / "known.tif", reference)
    before = sorted(output.rglob("*"))
    with pytest.raises(InputError, match=message):
        classify_output(str(output / "out.zarr"), None, ClassOptions(reference=str(output / "known.tif")), Stops())
    assert sorted(output.rglob("*")) == before


def test_quantize__writes_classes_too(outputs, tmp_path):
    config = RunConfig.model_validate({"map": {"grid": [4, 4], "epochs": 3}, "output": {"classes": 6}})
    record = quantize_image(str(outputs / "scene.tif"), str(tmp_path / "out.zarr"), config, Stops())
    assert np.array_equal(classes_in(tmp_path, "out.zarr"), expected_classes(tmp_path, "out.zarr", 6)[0])
    assert len(record.classes) == 8
    assert json.loads(json.dumps(record.summary()))["classes"] == list(record.classes)


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("out.jpg", 3, "labels and palette cannot be read again"),
        ("out.zarr", 17, "classes: 17, and the map has 16 units"),
    ],
)
def test_quantize__refuses_classes_early(outputs, tmp_path, name, count, message):
    config = RunConfig.model_validate({"map": {"grid": [4, 4]}, "output": {"classes": count}})
    with pytest.raises(InputError, match=message):
        quantize_image(str(outputs / "scene.tif"), str(tmp_path / name), config, Stops())
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("classes.png", ClassOptions(3), "classes are written as .tif"),
        (None, ClassOptions(17), "count: 17 classes; only 16 units have pixels"),
        ("scene.tif", ClassOptions(3), "scene.tif: exists already"),
    ],
)
def test_classify__refuses(output, target, options, message):
    before = sorted(output.rglob("*"))
    with pytest.raises(InputError, match=message):
        classify_output(str(output / "out.zarr"), target and str(output / target), options, Stops())
    assert sorted(output.rglob("*")) == before
