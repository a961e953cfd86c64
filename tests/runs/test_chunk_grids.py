"""Images of any size in chunks of any size, through a whole run into every tiled format: the labels never change."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dasksom import BatchSOM
from dasksom.config import load_config
from dasksom.runs.workflows import quantize_image

MOST_FILES = 150
QUIET = SimpleNamespace(plan=lambda _: None, stage=lambda *_: None, progress=lambda *_: None, epoch=lambda _: None)
FORMATS = {
    "out.zarr": st.fixed_dictionaries({}, optional={"chunk": st.sampled_from([64, 80])}),
    "out.ome.zarr": st.fixed_dictionaries(
        {"chunk": st.just(64)}, optional={"shard": st.sampled_from([0, 64, 128]), "layout": st.just("flat")}
    )
    | st.just({"chunk": 64, "ome_version": "0.4"}),
    "out.tif": st.fixed_dictionaries(
        {"chunk": st.sampled_from([64, 80]), "pixels": st.just("labels")},
        optional={"layout": st.sampled_from(["flat", "pyramid", "cog"])},
    ),
}

sides = st.one_of(st.integers(1, 200), st.sampled_from([1, 2, 63, 64, 65, 127, 128, 129, 192, 193]))


@st.composite
def grids(draw):
    """Draw height, width, and the rows and columns of the stored chunks."""
    height, width = draw(sides), draw(sides)
    rows, columns = (
        draw(st.one_of(st.integers(1, length), st.just(max(1, length - 1)), st.just(length), st.just(min(length, 64))))
        for length in (height, width)
    )
    while -(-height // rows) * -(-width // columns) > MOST_FILES:
        rows, columns = rows * 2, columns * 2
    return height, width, rows, columns


def _labels(path):
    if path.name.endswith(".tif"):
        with tifffile.TiffFile(path) as file:
            return file.pages[0].asarray()
    group = zarr.open_group(path, mode="r")
    return group["labels/som/0" if path.name.endswith(".ome.zarr") else "labels"][...]


def _check(folder, output, grid, dtype, chunk_size, options):
    height, width, rows, columns = grid
    pixels = np.random.default_rng(height * 256 + width).integers(0, 256, (height, width, 3), np.uint8).astype(dtype)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    zarr.create_array(
        folder / "in.zarr",
        data=pixels,
        chunks=(min(rows, height), min(columns, width), 3),
        dimension_names=("y", "x", "c"),
    )
    som, model = BatchSOM(2, 2, epochs=1, random_state=0).fit(pixels), None
    if dtype != "u1":  # what is streamed is summed chunk by chunk; so the map is given
        model = str(folder / "map.npz")
        som.save(model)
    config = load_config(
        None,
        {
            "map": {"grid": (2, 2), "epochs": 1, "refine": 0} if model is None else {},
            "cluster": {"name": "threads", "workers": 2},
            "input": {"chunk_size": f"{chunk_size}kB", "fill_missing": True},
            "output": options,
        },
    )
    quantize_image(str(folder / "in.zarr"), str(folder / output), config, QUIET, model=model)
    assert np.array_equal(_labels(folder / output), som.predict(pixels) + 1)
    assert {path.name for path in folder.iterdir()} <= {"in.zarr", "map.npz", output}


def _grids(examples, folder, output):
    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(grids(), st.sampled_from(["u1", "f4"]), st.sampled_from([1, 13, 50, 1000]), FORMATS[output])
    def check(grid, dtype, chunk_size, options):
        _check(folder, output, grid, dtype, chunk_size, options)

    check()


@pytest.mark.parametrize("output", FORMATS)
def test_grids__labels_never_change(tmp_path, output):
    _grids(5, Path(tmp_path), output)


@pytest.mark.slow
@pytest.mark.parametrize("output", FORMATS)
def test_grids__many(tmp_path, output):
    _grids(100, Path(tmp_path), output)
