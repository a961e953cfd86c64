"""`BatchSOM.write`: the files are those of `dasksom apply`, from arrays, pictures and paths."""

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import zarr
from PIL import Image

import dasksom
from dasksom import BatchSOM, InputError
from dasksom.config import RunConfig
from dasksom.image import open_result, verify
from dasksom.model_files import compared_units
from dasksom.runs.workflows import quantize_image
from dasksom.view.scene import Scene
from tests.runs.test_resume import Stops, files


@pytest.fixture(scope="module")
def pixels(photograph):
    return np.ascontiguousarray(photograph[:200, :300])


@pytest.fixture(scope="module")
def som(pixels):
    return BatchSOM(2, 3, epochs=2, random_state=0).fit(pixels)


def test_write__a_file_is_written_as_apply_writes_it(som, pixels, tmp_path):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    som.save(tmp_path / "map.npz")
    given = str(tmp_path / "a.png")
    quantize_image(given, str(tmp_path / "apply.zarr"), RunConfig(), Stops(), model=str(tmp_path / "map.npz"))
    som.write(given, tmp_path / "write.zarr")
    assert files(tmp_path / "write.zarr") == files(tmp_path / "apply.zarr")


@pytest.mark.parametrize("kind", ["numpy", "dask", "picture", "masked", "mask"])
def test_write__labels_and_colors_are_those_of_predict(som, pixels, tmp_path, kind):
    hidden = pixels[..., 0] < 60
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = {
        "dask": lambda: da.from_array(pixels, chunks=(70, 90, 2)),
        "picture": lambda: dasksom.open_picture(tmp_path / "a.png"),
        "masked": lambda: np.ma.masked_array(pixels, np.repeat(hidden[..., None], 3, -1)),
    }.get(kind, lambda: pixels)()
    steps = []
    mask = ~hidden if kind == "mask" else None
    som.write(image, tmp_path / "out.zarr", mask=mask, progress=lambda *step: steps.append(step))
    group, labels = zarr.open_group(tmp_path / "out.zarr", mode="r"), som.predict(pixels)
    used = ~hidden if kind in ("masked", "mask") else np.ones_like(hidden)
    assert (group["labels"][:].astype(int) - 1 == np.where(used, labels, -1)).all()
    assert (group["image"][:][used] == som.quantize(pixels)[used]).all()
    assert steps[-1][0] == steps[-1][1]
    assert not [one for one in verify(str(tmp_path / "out.zarr")) if one.problem]


def test_write__on_a_cluster_and_in_every_format(client, som, pixels, tmp_path):
    image = da.from_array(pixels, chunks=(100, 100, 3))
    for name, options in (("a.ome.zarr", {"chunk": 64}), ("a.tif", {"pixels": "labels"}), ("a.png", {}), ("a.jpg", {})):
        som.write(image, tmp_path / name, **options)
        assert not [one for one in verify(str(tmp_path / name)) if one.problem]
    som.write(image, tmp_path / "a.zarr", image=False, overwrite=True)
    assert "image" not in zarr.open_group(tmp_path / "a.zarr", mode="r")


def test_write__bands_are_taken_by_name(pixels, tmp_path):
    xarray = pytest.importorskip("xarray")
    named = xarray.DataArray(pixels, dims=("y", "x", "band"), coords={"band": ["r", "g", "b"]})
    som = BatchSOM(2, 3, epochs=2).fit(named)
    som.write(named.isel(band=[2, 0, 1]), tmp_path / "out.zarr")
    labels = zarr.open_group(tmp_path / "out.zarr", mode="r")["labels"][:]
    assert (labels.astype(int) - 1 == som.predict(named).data).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((4, 5, 2), np.uint8)}, "has 2 bands"),
        ({"X": np.zeros((4, 3), np.uint8)}, r"of shape \(4, 3\) is not an image"),
        ({"output": "out.xyz"}, "does not say the format"),
        ({"codec": "none?"}, "codec"),
        ({"dither": "noise"}, "dither: 'noise' is not one of none, bayer"),
        ({"mask": np.ones((2, 2), bool)}, r"mask: an array of bool and shape \(200, 300\)"),
        ({"output": "there.zarr"}, "exists already"),
    ],
)
def test_write__refuses_before_any_work(som, pixels, tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    zarr.create_group("there.zarr")
    with pytest.raises(InputError, match=message):
        som.write(**{"X": pixels, "output": "out.zarr", **change})
    assert [path.name for path in tmp_path.iterdir()] == ["there.zarr"]


def test_write__a_scaled_maps_distances_are_those_of_its_features(pixels, tmp_path):
    image = pixels.astype(np.uint16) * [1, 10, 100]
    som = BatchSOM(2, 3, epochs=2, scale="standard").fit(image.astype(np.uint16))
    som.write(image.astype(np.uint16), tmp_path / "out.zarr")
    with open_result(tmp_path / "out.zarr") as result:
        assert np.array_equal(compared_units(result), som.feature_weights_.reshape(6, -1))
        assert np.array_equal(compared_units(replace(result, model=b"damaged")), result.palette)
        assert np.array_equal(compared_units(replace(result, model=b"")), result.palette)
        scene = Scene.of(result, None)
        scene.background.shutdown()
        assert scene.about["distances"] == pytest.approx(som.u_matrix().ravel())
