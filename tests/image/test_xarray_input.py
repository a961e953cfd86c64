import warnings

import dask.array as da
import numpy as np
import pytest
import rasterio
import tifffile
import xarray

from dasksom import InputError, open_image, open_picture

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import rioxarray


@pytest.fixture
def bands(random):
    return random.integers(1, 200, (3, 80, 90), np.uint8)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("dims", "order"), [("cyx", (0, 1, 2)), ("yxc", (1, 2, 0)), (("band", "lat", "lon"), (0, 1, 2)), ("xcy", (2, 0, 1))]
)
def test_reads__any_order_of_dimensions(bands, dims, order, lazy):
    stored = bands.transpose(order)
    array = xarray.DataArray(da.from_array(stored, chunks=(40, 30, 40)) if lazy else stored, dims=tuple(dims))
    image = open_image(array, chunk_bytes=10_000)
    assert isinstance(image, da.Array)
    assert image.chunks[2] == (3,)
    assert np.array_equal(image.compute(), bands.transpose(1, 2, 0))


def test_reads__chunks_that_an_output_can_be_written_in(bands):
    array = xarray.DataArray(da.from_array(bands, chunks=(1, 33, 17)), dims=("band", "y", "x"))
    image = open_image(array, chunk_bytes=3000, align=16)
    assert all(size % 16 == 0 for sizes in image.chunks[:2] for size in sizes[:-1])
    assert np.array_equal(image.compute(), bands.transpose(1, 2, 0))


def test_reads__one_time_of_several(bands):
    array = xarray.DataArray(np.stack([bands, bands + 1]), dims=("time", "band", "y", "x"), name="scene")
    with pytest.raises(InputError, match=r"DataArray scene: its axes are time=2.*--select time=0"):
        open_image(array)
    assert np.array_equal(
        open_image(array, select={"time": 1, "band": (2, 0)}).compute(), bands[[2, 0]].transpose(1, 2, 0) + 1
    )


def test_place_and_nodata__of_rioxarray(tmp_path, bands):
    bands[:, :9] = 0
    profile = {"driver": "GTiff", "count": 3, "height": 80, "width": 90, "dtype": "uint8", "nodata": 0}
    transform = rasterio.transform.from_origin(500_000, 5_100_000, 10, 20)
    with rasterio.open(tmp_path / "a.tif", "w", crs="EPSG:32633", transform=transform, **profile) as file:
        file.write(bands)
    with rioxarray.open_rasterio(tmp_path / "a.tif", chunks={"band": 3, "y": 32, "x": 32}) as array:
        found = open_picture(array)
        assert np.array_equal(found.pixels.compute(), bands.transpose(1, 2, 0))
        assert np.array_equal(found.mask.compute(), bands.any(axis=0))
    tifffile.imwrite(
        tmp_path / "b.tif", bands.transpose(1, 2, 0), photometric="rgb", extratags=found.geo_tags, metadata=None
    )
    with rasterio.open(tmp_path / "b.tif") as file:
        assert (file.crs, file.transform) == (rasterio.crs.CRS.from_epsg(32633), transform)


def test_zarr__that_xarray_wrote(tmp_path, bands):
    array = xarray.DataArray(bands.astype(np.int16), dims=("band", "y", "x"), name="image")
    array.attrs["missing_value"] = 7
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for version in (2, 3):
            path = tmp_path / f"{version}.zarr"
            array.to_dataset().to_zarr(path, zarr_format=version, consolidated=version == 2)
            found = open_picture(path)
            assert np.array_equal(found.pixels.compute(), bands.transpose(1, 2, 0))
            assert found.nodata == 7


def test_refused(bands):
    with pytest.raises(InputError, match=r"a Dataset of a: take one of its arrays"):
        open_image(xarray.Dataset({"a": (("y", "x"), bands[0])}))
    with pytest.raises(InputError, match="a ndarray is not a path; BatchSOM takes dask and NumPy arrays as they are"):
        open_image(bands)
    with pytest.raises(InputError, match="looks like bands first"):
        open_image(xarray.DataArray(bands))
