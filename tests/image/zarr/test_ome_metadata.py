"""OME-Zarr as ome-zarr-py writes it."""

import json
import warnings

import numpy as np
import pytest
import zarr

from dasksom import InputError, open_image, open_picture

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ome_zarr.format import FormatV04, FormatV05
    from ome_zarr.writer import write_image

FORMATS = {"0.4": FormatV04, "0.5": FormatV05}


def _write(path, pixels, axes, version="0.5", **options):
    form = FORMATS[version]()
    group = zarr.open_group(path, mode="w", zarr_format=form.zarr_format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_image(pixels, group, axes=axes, fmt=form, scaler=None, scale_factors=[2, 4], **options)
    return path


@pytest.fixture
def stack(random):
    return random.integers(1, 4000, (2, 3, 4, 200, 160), np.uint16)


@pytest.mark.parametrize("version", FORMATS)
def test_reads__channels_first_at_any_level(tmp_path, stack, version):
    path = _write(tmp_path / "a.ome.zarr", stack[0, :, 0], "cyx", version)
    image = open_image(path, chunk_bytes=80 * 80 * 6)
    assert image.shape == (200, 160, 3)
    assert image.chunks[2] == (3,)
    assert np.array_equal(image.compute(), stack[0, :, 0].transpose(1, 2, 0))
    stored = zarr.open_group(path, mode="r")
    lower = list(dict(stored.arrays()))
    assert len(lower) == 3
    for level, shape in enumerate([(200, 160), (100, 80), (50, 40)]):
        found = open_picture(path, level=level)
        assert found.pixels.shape == (*shape, 3)
        assert found.about["level"] == f"{level} of 0 to 2"
        assert found.about["format"] == f"OME-Zarr {version}"
        name = sorted(lower, key=lambda name: -stored[name].shape[-1])[level]
        assert np.array_equal(found.pixels.compute(), stored[name][...].transpose(1, 2, 0))
    with pytest.raises(InputError, match=r"--level 3: its levels are 0 \(full resolution\) to 2"):
        open_image(path, level=3)


@pytest.mark.parametrize("version", FORMATS)
def test_reads__one_plane_of_five_axes(tmp_path, stack, version):
    path = _write(tmp_path / "a.ome.zarr", stack, "tczyx", version, storage_options={"chunks": (1, 1, 1, 64, 64)})
    with pytest.raises(InputError, match=r"its axes are t=2, c=3, z=4, .*take one along t with --select t=0"):
        open_image(path)
    image = open_image(path, select=["t=1", "z=2", "c=2,0"])
    assert np.array_equal(image.compute(), stack[1, [2, 0], 2].transpose(1, 2, 0))


def test_reads__pixel_size(tmp_path, stack):
    path = _write(tmp_path / "a.ome.zarr", stack[0, :, 0], "cyx")
    group = zarr.open_group(path, mode="r+")
    ome = dict(group.attrs["ome"])
    image = ome["multiscales"][0]
    image["axes"][1]["unit"] = image["axes"][2]["unit"] = "micrometer"
    image["coordinateTransformations"] = [{"type": "scale", "scale": [1.0, 0.5, 0.25]}]
    group.attrs["ome"] = ome
    found = open_picture(path, level=1)
    assert found.pixel_size == (1.0, 0.5)
    assert found.unit == "micrometer"


def test_reads__scenes_of_bioformats2raw(tmp_path, stack):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w")
    root.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for number in (0, 1):
        _write(tmp_path / f"a.zarr/{number}", stack[number, :, 0], "cyx")
    with pytest.raises(InputError, match="holds 2 images; say which: --series 0 to 1"):
        open_image(tmp_path / "a.zarr")
    assert np.array_equal(
        open_image(tmp_path / "a.zarr", series=1, level=0).compute(), stack[1, :, 0].transpose(1, 2, 0)
    )
    with pytest.raises(InputError, match="--series 7: its images are 0, 1"):
        open_image(tmp_path / "a.zarr", series=7)
    assert open_image(tmp_path / "a.zarr", component="1").shape == (200, 160, 3)


def test_refused__metadata_that_does_not_fit(tmp_path, stack):
    path = _write(tmp_path / "a.ome.zarr", stack[0, :, 0], "cyx")
    metadata = json.loads((path / "zarr.json").read_text())
    image = metadata["attributes"]["ome"]["multiscales"][0]
    for change, message in (
        ({"axes": [{"name": "y"}, {"name": "x"}]}, "has 3 axes, .* but its OME-Zarr metadata names yx"),
        ({"axes": [{"type": "space"}] * 3}, "OME-Zarr metadata cannot be understood .KeyError: 'name'."),
        ({"datasets": []}, "lists no level"),
        ({"datasets": [{"path": "gone"}]}, "gone: cannot be opened as a Zarr array"),
    ):
        metadata["attributes"]["ome"]["multiscales"] = [{**image, **change}]
        (path / "zarr.json").write_text(json.dumps(metadata))
        with pytest.raises(InputError, match=message):
            open_image(path)


def test_refused__level_and_series_where_there_are_none(tmp_path, stack):
    zarr.create_array(tmp_path / "a.zarr", data=stack[0, 0, 0])
    with pytest.raises(InputError, match="--level 1: is no pyramid"):
        open_image(tmp_path / "a.zarr", level=1)
    with pytest.raises(InputError, match="holds one image; leave --series 0 out"):
        open_image(tmp_path / "a.zarr", series=0)
    assert open_image(tmp_path / "a.zarr", level=0).shape == (200, 160, 1)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_reads__an_image_of_spatialdata(tmp_path, random, version):
    """As spatialdata 0.2 to 0.5 writes it: versions of its own, transformations to named coordinate systems."""
    pixels, names = random.integers(0, 999, (3, 64, 50), np.uint16), ["CD3", "CD45", "DNA"]
    path = tmp_path / "sample.zarr"
    root = zarr.open_group(path, mode="w", zarr_format=FORMATS[version]().zarr_format)
    image = root.create_group("images/tissue")
    axes = [{"name": name, "type": kind} for name, kind in (("c", "channel"), ("y", "space"), ("x", "space"))]
    levels = []
    for level in range(2):
        image.create_array(str(level), data=pixels[:, :: 2**level, :: 2**level])
        scale = {"type": "scale", "scale": [1.0, 2.0**level, 2.0**level]}
        levels.append({"path": str(level), "coordinateTransformations": [scale]})
    systems = {"input": {"name": "cyx", "axes": axes}, "output": {"name": "global", "axes": axes}}
    form = f"{version}-dev-spatialdata"
    about = {"name": "/images/tissue", "version": form, "axes": axes, "datasets": levels}
    about["coordinateTransformations"] = [{"type": "identity", **systems}]
    metadata = {"multiscales": [about], "omero": {"channels": [{"label": name} for name in names]}}
    image.attrs.update(metadata if version == "0.4" else {"ome": {"version": form, **metadata}})
    for opened in (open_picture(path / "images/tissue"), open_picture(path, component="images/tissue")):
        np.testing.assert_array_equal(opened.pixels.compute(), np.moveaxis(pixels, 0, -1))
        assert list(opened.band_names) == names
