"""No-data as xarray stores it, compared with what xarray reads; OME-Zarr 0.6 and GeoZarr."""

import numpy as np
import pytest
import xarray
import zarr

from dasksom.errors import InputError
from dasksom.image import open_image, open_picture

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "fill"),
    [("f4", -9999.0), ("f8", 1e20), ("f2", 7.0), ("u2", 65535), ("u1", 0), ("i2", -32768), ("i4", -1), ("f4", np.nan)],
)
def test_nodata__as_xarray_masks_it(tmp_path, random, version, dtype, fill):
    values = random.integers(1, 100, (40, 30)).astype(dtype)
    values[3:9, 5] = fill
    data = xarray.DataArray(values, dims=("y", "x"), name="v").to_dataset()
    data.to_zarr(tmp_path / "a.zarr", zarr_format=version, encoding={"v": {"_FillValue": fill}}, consolidated=False)
    with xarray.open_zarr(tmp_path / "a.zarr", consolidated=False) as read:
        present = ~np.isnan(read["v"].values)
    picture = open_picture(tmp_path / "a.zarr", component="v")
    if np.isnan(fill):
        assert np.array_equal(~np.isnan(picture.pixels.compute()[..., 0]), present)
    else:
        assert picture.nodata == fill
        assert np.array_equal(picture.mask.compute(), present)


@pytest.mark.parametrize("version", [2, 3])
def test_no_nodata__where_xarray_has_none(tmp_path, random, version):
    values = random.integers(0, 100, (40, 30)).astype("u1")
    data = xarray.DataArray(values, dims=("y", "x"), name="v").to_dataset()
    data.to_zarr(tmp_path / "a.zarr", zarr_format=version, consolidated=False)
    picture = open_picture(tmp_path / "a.zarr", component="v")
    assert picture.nodata is None
    assert picture.mask is None


# ------------------------------------------------------------------------------------------- versions of specifications


def _ome(path, ome, shape=(2, 3, 4, 20, 16), version="0.6"):
    group = zarr.create_group(path, attributes={"ome": {"version": version, **ome}})
    data = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    group.create_array("0", data=data, chunks=shape)
    return data


def _axes(names):
    kinds = {"t": "time", "c": "channel"}
    return [{"name": name, "type": kinds.get(name, "space"), "unit": "micrometer"} for name in names]


@pytest.mark.parametrize("transformation", ["scale", "sequence"])
def test_ome_06__axes_as_declared(tmp_path, transformation):
    scale = {"type": "scale", "scale": [1, 2, 3, 0.5, 0.25]}
    steps = {"scale": scale, "sequence": {"type": "sequence", "transformations": [scale]}}
    step = {**steps[transformation], "input": "0", "output": "physical"}
    multiscale = {
        "coordinateSystems": [
            {"name": "other", "axes": _axes("czyxt")},
            {"name": "physical", "axes": _axes("zctyx")},
        ],
        "datasets": [{"path": "0", "coordinateTransformations": [step]}],
    }
    data = _ome(tmp_path / "a.ome.zarr", {"multiscales": [multiscale]})
    picture = open_picture(tmp_path / "a.ome.zarr", select=["z=1", "t=2"])
    assert np.array_equal(picture.pixels.compute(), data[1, :, 2].transpose(1, 2, 0))
    assert picture.pixel_size == (0.5, 0.25)


def test_ome_without_axes__is_refused_where_they_are_required(tmp_path):
    _ome(tmp_path / "a.ome.zarr", {"multiscales": [{"datasets": [{"path": "0"}]}]}, version="0.5")
    with pytest.raises(InputError, match=r"version 0\.5 without axes"):
        open_image(tmp_path / "a.ome.zarr")


def test_geozarr__names_the_arrays(tmp_path):
    layout = [{"asset": "r10m", "transform": {"scale": [1.0, 1.0]}}, {"asset": "r20m", "derived_from": "r10m"}]
    group = zarr.create_group(tmp_path / "a.zarr", attributes={"multiscales": {"layout": layout}})
    for name, side in (("r10m", 20), ("r20m", 10)):
        group.create_group(name).create_array("b02", data=np.ones((side, side), np.uint16), chunks=(10, 10))
    with pytest.raises(InputError, match=r"which array is the image\? .*r10m/b02 \(20, 20\).*--component"):
        open_image(tmp_path / "a.zarr")
    assert open_image(tmp_path / "a.zarr", component="r10m/b02").shape == (20, 20, 1)
