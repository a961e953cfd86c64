"""Tables of outputs, next to NumPy's and pandas' of the complete image."""

import numpy as np
import pandas as pd
import pytest
import rasterio
import tifffile
import zarr
from rasterio.transform import from_origin

from dasksom import InputError
from dasksom.classes.table_files import check_table_file, write_table_file
from dasksom.config import RunConfig
from dasksom.image import open_result
from dasksom.runs.classes.class_choice import ClassOptions
from dasksom.runs.classes.class_run import classify_output
from dasksom.runs.classes.table_run import table_of_output
from dasksom.runs.workflows import quantize_image
from tests.runs.test_resume import Stops

HEIGHT, WIDTH, BANDS = 150, 200, 5


def scene(dtype):
    """An image with five regions and noise, and pixels without data."""
    random = np.random.default_rng(0)
    levels = random.integers(1000, 60_000, (5, BANDS))
    region = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) // 75 % 5
    image = levels[region] + random.integers(-200, 200, (HEIGHT, WIDTH, BANDS))
    image[:20, :30] = 0
    return image.astype(dtype)


def write(folder, image, *, chunks=(64, 64), method="auto", name="out.zarr"):
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_300_000, 10, 20), "nodata": 0}
    size = {"height": HEIGHT, "width": WIDTH, "count": image.shape[2], "dtype": image.dtype}
    with rasterio.open(folder / "scene.tif", "w", "GTiff", **size, **place, blockxsize=64, blockysize=64) as file:
        file.write(np.moveaxis(image, -1, 0))
    config = {
        "map": {"grid": [3, 4], "epochs": 4, "method": method},
        "input": {"chunk_size": f"{chunks[0] * chunks[1] * image[0, 0].nbytes}B"},
        "output": {"chunk": chunks[0]} if name != "out.png" else {},
    }
    quantize_image(str(folder / "scene.tif"), str(folder / name), RunConfig.model_validate(config), Stops())
    return str(folder / name)


def units_in(path):
    with open_result(path) as result:
        return result.units_of(np.asarray(result.labels[0]))


def frame(path, **options):
    return pd.DataFrame(table_of_output(path, Stops(), **options))


def check_bands(table, column, groups, image):
    """Compare each row with NumPy's statistics of the pixels of its group."""
    for row in table.itertuples():
        pixels = image[groups == getattr(row, column)]
        assert row.pixels == len(pixels)
        for band in range(image.shape[2]):
            found = [getattr(row, f"{name}_band{band}") for name in ("mean", "min", "max", "sd")]
            values = pixels[:, band].astype(np.float64)
            if image.dtype.kind == "u":
                assert found[:3] == [values.mean(), values.min(), values.max()]
            assert found == pytest.approx([values.mean(), values.min(), values.max(), values.std()], rel=1e-9)


@pytest.mark.parametrize("chunks", [(64, 64), (128, 128), (512, 512)])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_table__of_units_is_numpy_s_for_any_chunks(tmp_path, dtype, chunks):
    image = scene(dtype)
    path = write(tmp_path, image, chunks=chunks)
    table, units = frame(path, by="unit"), units_in(path)
    used = table[table.pixels > 0]
    check_bands(used, "unit", units, image)
    assert table.unit.tolist() == list(range(12))
    assert table.pixels.sum() == HEIGHT * WIDTH - 600
    assert np.allclose(table.share, table.pixels / table.pixels.sum(), rtol=1e-15)
    assert np.allclose(table.area_ha, table.pixels * 0.02)
    whole = frame(path, by="image")
    assert whole.image.tolist() == ["out.zarr"]
    assert whole.mean_band0[0] == pytest.approx(image[units >= 0][:, 0].mean(dtype=np.float64), rel=1e-12)


def test_table__of_classes(tmp_path):
    image = scene(np.uint16)
    path = write(tmp_path, image)
    with pytest.raises(InputError, match="has no classes; write them first"):
        table_of_output(path, Stops(), by="class")
    classify_output(path, None, ClassOptions(5), Stops())
    table = frame(path)
    assert table.columns[:5].tolist() == ["class", "name", "pixels", "share", "area_ha"]
    assert table.name.tolist() == [f"class {number}" for number in range(1, 6)]
    classes = zarr.open_array(tmp_path / "out.zarr/classes")[...]
    check_bands(table.rename(columns={"class": "number"}), "number", classes, image)


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.tif"])
def test_table__without_stored_sums_reads_the_image(tmp_path, photograph, name):
    image = photograph[:HEIGHT, :WIDTH]
    path = write(tmp_path, image, name=name)
    if name == "out.ome.zarr":
        stored = frame(path, by="unit")
        (tmp_path / name / "palette/sums.npz").unlink()
        pd.testing.assert_frame_equal(frame(path, by="unit"), stored)
    check_bands(frame(path, by="unit").query("pixels > 0"), "unit", units_in(path), image)
    (tmp_path / "scene.tif").unlink()
    with pytest.raises(InputError, match="does not hold the sums of its units, and the image is not at hand"):
        table_of_output(path, Stops())


@pytest.mark.parametrize("tile", [16, 48, 256])
def test_table__within_objects_is_pandas_crosstab(tmp_path, tile):
    path = write(tmp_path, scene(np.uint16))
    classify_output(path, None, ClassOptions(4), Stops())
    cells = (np.arange(HEIGHT)[:, None] // 33 * 7 + np.arange(WIDTH) // 41).astype(np.uint32) * 1000
    tifffile.imwrite(tmp_path / "cells.tif", cells, tile=(tile, tile))
    table = frame(path, within=str(tmp_path / "cells.tif")).set_index("object")  # pixels without data are in cell 0
    classes = zarr.open_array(tmp_path / "out.zarr/classes")[...]
    expected = pd.crosstab(cells[cells > 0], classes[cells > 0])
    assert np.array_equal(table.index, expected.index)
    assert np.array_equal(table[[f"class {number}" for number in expected.columns]], expected)
    assert np.array_equal(table.pixels, expected.sum(axis=1))
    by_unit = frame(path, within=str(tmp_path / "cells.tif"), by="unit").set_index("object")
    units = units_in(path)
    expected = pd.crosstab(cells[cells > 0], units[cells > 0])
    assert np.array_equal(by_unit.drop(columns="pixels"), expected)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (np.ones((HEIGHT, WIDTH), np.float32), "one band of integers is needed"),
        (np.ones((HEIGHT, WIDTH + 1), np.uint8), "is of 200 x 150 pixels, and the other image of 201 x 150"),
    ],
)
def test_table__refuses_other_objects(tmp_path, cells, message):
    path = write(tmp_path, scene(np.uint16))
    tifffile.imwrite(tmp_path / "cells.tif", cells)
    with pytest.raises(InputError, match=message):
        table_of_output(path, Stops(), within=str(tmp_path / "cells.tif"))


def test_table_files__hold_the_same_numbers(tmp_path):
    columns = {"class": [1, 2], "name": ["a, b", "c"], "mean_band0": [0.1, None], "max_band0": [2**63 + 1, None]}
    for name in ("table.csv", "table.parquet"):
        check_table_file(str(tmp_path / name), overwrite=False)
        write_table_file(str(tmp_path / name), columns, overwrite=False)
        with pytest.raises(InputError, match="exists already"):
            check_table_file(str(tmp_path / name), overwrite=False)
    assert pd.read_parquet(tmp_path / "table.parquet").max_band0[0] == 2**63 + 1
    csv, parquet = pd.read_csv(tmp_path / "table.csv"), pd.read_parquet(tmp_path / "table.parquet")
    assert csv.name.tolist() == parquet.name.tolist() == ["a, b", "c"]
    assert csv.mean_band0[0] == parquet.mean_band0[0] == 0.1
    with pytest.raises(InputError, match=r"table.xlsx: a table is written as "):
        check_table_file(str(tmp_path / "table.xlsx"), overwrite=False)


@pytest.mark.filterwarnings("default")  # anndata sets a deprecated option of pandas
def test_h5ad__holds_rows_as_observations_and_bands_as_variables(tmp_path):
    anndata = pytest.importorskip("anndata")
    columns = {"class": [1, 2], "name": ["a", "b"], "pixels": [5, 0]}
    columns |= {"mean_red": [0.1, None], "sd_red": [2.0, None], "min_red": [0, None], "max_red": [3, None]}
    columns |= {f"{kind}_nir": [number, -number] for number, kind in enumerate(("mean", "sd", "min", "max"))}
    write_table_file(str(tmp_path / "table.h5ad"), columns, overwrite=False)
    table = anndata.read_h5ad(tmp_path / "table.h5ad")
    assert (table.obs_names.tolist(), table.var_names.tolist()) == (["1", "2"], ["red", "nir"])
    assert table.obs.columns.tolist() == ["class", "name", "pixels"]
    np.testing.assert_array_equal(table.X, [[0.1, 0], [np.nan, 0]])
    assert sorted(table.layers) == ["max", "min", "sd"]
    np.testing.assert_array_equal(table.layers["max"], [[3, 3], [np.nan, -3]])
    within = {"object": [7, 9], "pixels": [5, 4], "mean_class": [2, 4], "b": [3, 0]}
    write_table_file(str(tmp_path / "cells.h5ad"), within, overwrite=False)
    cells = anndata.read_h5ad(tmp_path / "cells.h5ad")
    assert (cells.obs_names.tolist(), cells.var_names.tolist()) == (["7", "9"], ["mean_class", "b"])
    assert cells.X.tolist() == [[2, 3], [4, 0]]
