"""DataArrays and Datasets of xarray in any order, and results with their dimensions, coordinates and CRS."""

import warnings

import dask.array as da
import numpy as np
import pytest
import xarray

from dasksom import BatchSOM

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import rioxarray  # noqa: F401

NAMES = ["B02", "B03", "B08"]


@pytest.fixture
def scene(patch):
    """A lazy DataArray as rioxarray reads them: bands first, with coordinates and a CRS."""
    height, width = patch.shape[:2]
    lazy = da.from_array(patch.transpose(2, 0, 1), chunks=(1, 20, 30))
    coordinates = {"band": NAMES, "y": np.arange(height)[::-1] * 10.0, "x": np.arange(width) * 10.0}
    attributes = {"AREA_OR_POINT": "Area", "long_name": tuple(NAMES), "_FillValue": 0}
    array = xarray.DataArray(lazy, dims=("band", "y", "x"), coords=coordinates, attrs=attributes, name="scene")
    return array.rio.write_crs("EPSG:32633")


@pytest.mark.parametrize("dims", [("band", "y", "x"), ("y", "x", "band"), ("x", "band", "y")])
def test_any_order_of_dimensions__gives_the_same_labels(scene, patch, dims):
    som = BatchSOM(3, 3, epochs=3).fit(scene.transpose(*dims))
    assert list(som.feature_names_in_) == NAMES
    labels = som.predict(scene.transpose(*dims))
    assert isinstance(labels.data, da.Array)
    assert {*labels.dims} == {"y", "x"}
    expected = BatchSOM(3, 3, epochs=3).fit(patch).predict(patch)
    assert (labels.transpose("y", "x").values == expected).mean() > 0.99
    assert labels.rio.crs.to_epsg() == 32633
    assert labels.attrs == {"AREA_OR_POINT": "Area"}
    assert labels.name == "unit"
    np.testing.assert_array_equal(labels.y, scene.y)


def test_colors__have_the_form_of_the_image(scene):
    som = BatchSOM(3, 3, epochs=3).fit(scene)
    colors = som.quantize(scene)
    assert colors.dims == scene.dims
    assert isinstance(colors.data, da.Array)
    assert colors.attrs == scene.attrs
    xarray.testing.assert_equal(colors.coords.to_dataset(), scene.coords.to_dataset())
    palette = {tuple(color) for color in som.codebook_.palette(scene.dtype).tolist()}
    assert {tuple(color) for color in colors.values.reshape(3, -1).T.tolist()} <= palette


def test_a_dataset__is_an_image_of_its_variables(scene):
    dataset = scene.to_dataset(dim="band")
    som = BatchSOM(3, 3, epochs=3, random_state=0).fit(dataset)
    assert list(som.feature_names_in_) == NAMES
    np.testing.assert_array_equal(som.weights_, BatchSOM(3, 3, epochs=3, random_state=0).fit(scene).weights_)
    labels, colors = som.predict(dataset), som.quantize(dataset)
    xarray.testing.assert_equal(labels, som.predict(scene))
    assert list(colors.data_vars) == NAMES
    assert isinstance(colors["B03"].data, da.Array)
    assert labels.rio.crs.to_epsg() == 32633


def test_a_tree_of_scales__is_its_finest_level(scene):
    """As images of several scales in SpatialData: levels of one variable each."""
    scales = {f"scale{level}": scene[:, :: 2**level, :: 2**level].to_dataset(name="image") for level in range(3)}
    tree = xarray.DataTree.from_dict(scales)
    som = BatchSOM(3, 3, epochs=3, random_state=0).fit(tree)
    labels = som.predict(tree)
    xarray.testing.assert_identical(labels, som.predict(scene.rename("image")))
    assert som.quantize(tree).dims == scene.dims


def test_masks_and_distances__have_dimensions_too(scene):
    mask = (scene.sel(band="B08") > 50).transpose("x", "y")
    som = BatchSOM(3, 3, epochs=3).fit(scene, mask=mask)
    labels = som.predict(scene, mask=mask)
    np.testing.assert_array_equal(labels.values >= 0, mask.transpose("y", "x").values)
    distances = som.transform(scene)
    assert distances.dims == ("y", "x", "unit")
    known = labels.values >= 0
    np.testing.assert_array_equal(distances.values.argmin(axis=-1)[known], labels.values[known])


def test_arrays_in_memory__give_arrays_in_memory(scene):
    som = BatchSOM(3, 3, epochs=3).fit(scene.compute())
    labels = som.predict(scene.compute())
    assert isinstance(labels.data, np.ndarray)
    assert labels.dims == ("y", "x")


def test_distances__to_as_many_units_as_bands_are_not_colors():
    values = np.random.default_rng(0).random((4, 5, 3))
    image = xarray.DataArray(values, dims=("y", "x", "band"), coords={"band": ["red", "green", "blue"]})
    distances = BatchSOM(1, 3, epochs=2).fit(image).transform(image)
    assert distances.dims == ("y", "x", "unit")
    assert "band" not in distances.coords
    assert distances.name == "distance"
