"""No-data values as xarray, GDAL and others record them in Zarr."""

import numpy as np
import pytest
import xarray
import zarr

from dasksom.errors import InputError
from dasksom.image import open_picture
from dasksom.image.metadata.cf_attributes import nodata_of_attributes


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "nodata"), [("f4", -9999.0), ("f8", 1e30), ("f8", np.inf), ("i2", -999), ("u1", 255), ("u2", 0)]
)
def test_nodata__as_xarray_writes_it(tmp_path, random, version, dtype, nodata):
    data = random.integers(1, 100, (40, 30)).astype(dtype)
    data[5:9, 7:20] = nodata
    array = xarray.DataArray(data, dims=("y", "x"), name="a")
    array.encoding["_FillValue"] = np.dtype(dtype).type(nodata)
    array.to_dataset().to_zarr(tmp_path / "a.zarr", zarr_format=version, consolidated=False)
    with xarray.open_zarr(tmp_path / "a.zarr", consolidated=False) as opened:
        expected = ~np.isnan(opened["a"].to_numpy())
    picture = open_picture(tmp_path / "a.zarr", component="a")
    assert picture.nodata == nodata
    np.testing.assert_array_equal(picture.mask.compute(), expected)


@pytest.mark.parametrize("version", [2, 3])
def test_nodata__is_not_every_fill_value(tmp_path, version):
    zarr.create_array(tmp_path / "a.zarr", data=np.ones((4, 5), np.uint8), fill_value=0, zarr_format=version)
    assert open_picture(tmp_path / "a.zarr").nodata is None


@pytest.mark.parametrize(
    ("attributes", "nodata"),
    [
        ({}, None),
        ({"_FillValue": None}, None),
        ({"missing_value": -1}, -1),
        ({"_FillValue": [-1]}, -1),
        ({"_FillValue": "NaN"}, np.nan),
        ({"_FillValue": "-Infinity"}, -np.inf),
        ({"_FillValue": "-9999"}, -9999),
        ({"_FillValue": "AAAAAICHw8A="}, -9999),
        ({"_FillValue": "ADwcxg=="}, -9999),
        ({"nodata": 2**63}, 2**63),
        ({"_FillValue": 3, "missing_value": 3.0}, 3),
    ],
)
def test_nodata__of_attributes(attributes, nodata):
    found, problem = nodata_of_attributes(attributes, 0, 3)
    np.testing.assert_equal(found, nodata)
    assert problem is None


@pytest.mark.parametrize("attributes", [{"_FillValue": "none at all"}, {"_FillValue": 1, "missing_value": 2}])
def test_nodata__that_is_unclear_is_refused_unless_one_is_given(tmp_path, attributes):
    array = zarr.create_array(tmp_path / "a.zarr", data=np.arange(20, dtype=np.uint8).reshape(4, 5))
    array.attrs.update(attributes)
    with pytest.raises(InputError, match=r"_FillValue .*give one with --nodata VALUE, or --nodata none"):
        open_picture(tmp_path / "a.zarr")
    assert open_picture(tmp_path / "a.zarr", nodata="none").mask is None
    assert open_picture(tmp_path / "a.zarr", nodata=2).mask.compute().sum() == 19


def test_scale_and_offset__are_reported(tmp_path):
    array = zarr.create_array(tmp_path / "a.zarr", data=np.ones((4, 5), np.uint8))
    array.attrs.update({"scale_factor": 0.01, "add_offset": 0.0})
    about = open_picture(tmp_path / "a.zarr").about
    assert about["scale and offset"] == "scale_factor 0.01; not applied: values are as stored"
