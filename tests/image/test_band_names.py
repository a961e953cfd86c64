"""Names of bands: read from each format, selected with `bands`, and written back."""

import json

import numpy as np
import pytest
import rasterio
import tifffile
import xarray
import zarr

import dasksom
from dasksom.errors import InputError
from dasksom.image import Output, create_writer, open_picture
from dasksom.image.sources.bands import find_bands

NAMES = ("DAPI", "CD3", "CD45", "CD8")


pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(1, 60_000, (40, 50, 4), np.uint16)


def geotiff(path, pixels):
    with rasterio.open(path, "w", driver="GTiff", width=50, height=40, count=4, dtype="uint16") as file:
        file.write(np.moveaxis(pixels, -1, 0))
        file.descriptions = NAMES
    return path


def sidecar(path, pixels):
    tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig="contig")
    bands = "".join(
        f'<PAMRasterBand band="{n + 1}"><Description>{name}</Description></PAMRasterBand>'
        for n, name in enumerate(NAMES)
    )
    (path.parent / f"{path.name}.aux.xml").write_text(f"<PAMDataset>{bands}</PAMDataset>")
    return path


def ome_tiff(path, pixels):
    tifffile.imwrite(
        path, np.moveaxis(pixels, -1, 0), ome=True, metadata={"axes": "CYX", "Channel": {"Name": list(NAMES)}}
    )
    return path


def ome_zarr(path, pixels, names=NAMES, version=3):
    group = zarr.open_group(path, mode="w", zarr_format=version)
    group.create_array("0", data=np.moveaxis(pixels, -1, 0), chunks=(1, 20, 20))
    axes = [{"name": "c", "type": "channel"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    scale = [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]
    content = {
        "multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}],
        "omero": {"channels": [{"label": name} for name in names]},
    }
    if version == 3:
        group.attrs["ome"] = {"version": "0.5", **content}
    else:
        content["multiscales"][0]["version"] = "0.4"
        group.attrs.update(content)
    return path


def data_array(path, pixels):
    return xarray.DataArray(pixels, dims=("y", "x", "channel"), coords={"channel": list(NAMES)})


def rioxarray_array(path, pixels):
    bands_first = np.moveaxis(pixels, -1, 0)
    return xarray.DataArray(
        bands_first, dims=("band", "y", "x"), coords={"band": [1, 2, 3, 4]}, attrs={"long_name": NAMES}
    )


MAKERS = {
    "GDAL descriptions": (geotiff, "a.tif"),
    ".aux.xml": (sidecar, "a.tif"),
    "OME-TIFF": (ome_tiff, "a.ome.tif"),
    "OME-Zarr 0.5": (ome_zarr, "a.zarr"),
    "OME-Zarr 0.4": (lambda path, pixels: ome_zarr(path, pixels, version=2), "a.zarr"),
    "coordinates": (data_array, None),
    "rioxarray": (rioxarray_array, None),
}


@pytest.mark.parametrize("name", MAKERS)
def test_names_are_read_and_select_bands(name, tmp_path, pixels):
    make, file = MAKERS[name]
    image = make(None if file is None else tmp_path / file, pixels)
    picture = open_picture(image)
    assert picture.band_names == NAMES
    np.testing.assert_array_equal(picture.pixels, pixels)
    for bands, order in (("CD8,DAPI", [3, 0]), (["CD45", 0, 1], [2, 0, 1]), ([3], [3])):
        chosen = open_picture(image, bands=bands)
        assert chosen.band_names == tuple(NAMES[band] for band in order)
        np.testing.assert_array_equal(chosen.pixels, pixels[..., order])
        np.testing.assert_array_equal(picture.of_bands(bands).pixels, pixels[..., order])
    assert open_picture(image, bands="CD3").pixels.name != picture.pixels.name


def test_a_transparent_pixel_stays_without_data_when_bands_are_selected(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 255, (10, 12, 4), np.uint8)
    pixels[2, 3, 3] = 0
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    picture = open_picture(tmp_path / "a.tif", bands=[2, 0])
    np.testing.assert_array_equal(picture.pixels, pixels[..., [2, 0]])
    assert np.argwhere(~picture.mask.compute()).tolist() == [[2, 3]]
    assert open_picture(tmp_path / "a.tif", bands=[2, 0], alpha="drop").mask is None
    all_four = open_picture(tmp_path / "a.tif", bands=[3, 0], alpha="band")
    np.testing.assert_array_equal(all_four.pixels, pixels[..., [3, 0]])
    assert all_four.mask is None


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("CD4", "did you mean 'CD45'"),
        ("cd3", "did you mean 'CD3'"),
        ("CD3,1", r"band 1 \(CD3\) twice"),
        ("4", "0 DAPI, 1 CD3, 2 CD45, 3 CD8"),
        ("-1", "no band has this name"),
        ([], "selects no band"),
        ([True], "no band"),
    ],
)
def test_bands_that_do_not_exist_are_refused(wanted, message):
    with pytest.raises(InputError, match=message):
        find_bands("a.tif", wanted, NAMES, 4)


def test_a_name_that_several_bands_have_is_refused():
    with pytest.raises(InputError, match="bands 0, 2 have this name"):
        find_bands("a.tif", "x", ["x", "y", "x"], 3)


def test_names_that_are_numbers_or_have_commas_are_names():
    assert find_bands("a.tif", "490", ["665", "490"], 2) == (1,)
    assert find_bands("a.tif", "red, left", ["red, left", "blue"], 2) == (0,)


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr", ".zarr"])
def test_names_are_written(suffix, tmp_path):
    palette = np.arange(8, dtype=np.uint16).reshape(2, 4) * 1000
    names = ("DAPI", "CD3 µ<&>", "CD45\x1b", "CD8")
    place = tmp_path / f"out{suffix}"
    writer = create_writer(Output(place, 4, 6, (4, 6), palette, {}, band_names=names))
    labels = np.zeros((4, 6), np.uint16)
    writer.collect([((0, 0), (4, 6), writer.encode(labels, (0, 0)))])
    written = ("DAPI", "CD3 µ<&>", "CD45\\x1b" if suffix == ".tif" else "CD45\x1b", "CD8")
    assert open_picture(place).band_names == written
    if suffix == ".tif":
        with rasterio.open(place) as file:
            assert file.descriptions == written
    if suffix == ".ome.zarr":
        import ome_zarr_models.v05 as models

        channels = json.loads((place / "zarr.json").read_text())["attributes"]["ome"]["omero"]["channels"]
        assert [channel["label"] for channel in channels] == list(names)
        assert models.Image.from_zarr(zarr.open_group(place, mode="r")).attributes.ome.omero is not None


def test_predict_takes_named_bands_in_any_order(pixels):
    array = xarray.DataArray(pixels, dims=("y", "x", "band"), coords={"band": list(NAMES)})
    som = dasksom.BatchSOM(2, 3, epochs=3, random_state=0).fit(array)
    assert tuple(som.feature_names_in_) == NAMES
    swapped = array.isel(band=[2, 0, 3, 1])
    np.testing.assert_array_equal(som.predict(swapped), som.predict(array))
