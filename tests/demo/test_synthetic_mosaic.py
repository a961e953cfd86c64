import dask
import numpy as np
import pytest
import zarr

from dasksom.demo.synthetic_mosaic import COMPRESSORS, MosaicSource, mosaic_array, write_mosaic
from dasksom.errors import InputError
from dasksom.image import open_image


@pytest.fixture(scope="module")
def small():
    return mosaic_array(side=2500, chunk=1024, seed=3).compute()


def test_pixels__do_not_depend_on_chunks(small):
    assert small.shape == (2500, 2500, 3)
    assert small.dtype == np.uint8
    assert np.array_equal(mosaic_array(side=2500, chunk=3072, seed=3).compute(), small)
    region = MosaicSource(2500, 3)[1000:1100, 2000:2500, 0:2]
    assert np.array_equal(region, small[1000:1100, 2000:2500, :2])


def test_pixels__depend_on_seed_and_place(small):
    first = MosaicSource(2500, 3)[0:64, 0:64, 0:3]
    assert not np.array_equal(first, MosaicSource(2500, 4)[0:64, 0:64, 0:3])
    assert not np.array_equal(first, small[1024 : 1024 + 64, :64])
    # a smaller mosaic is the corner of a larger one
    assert np.array_equal(MosaicSource(99, 3)[0:99, 0:99, 0:3], small[:99, :99])


def test_pixels__look_like_noisy_photographs(small):
    tile = small[:1024, :1024].astype(float)
    # second differences of a smooth scene are noise: variance 6 of each of 1, -2, 1
    noise = np.median(np.abs(tile[:, 2:] - 2 * tile[:, 1:-1] + tile[:, :-2])) / 0.6745 / np.sqrt(6)
    assert 1.2 < noise < 4
    assert len(np.unique(small.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32))) > 100_000


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_write__same_pixels_in_whole_chunks(tmp_path, compressor):
    seen = []
    path = tmp_path / "m.zarr"
    write_mosaic(
        path,
        side=1500,
        chunk=1024,
        seed=1,
        compressor=compressor,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert np.array_equal(open_image(path).compute(), mosaic_array(1500, 2048, 1).compute())
    array = zarr.open_array(path, mode="r")
    assert (array.chunks, array.metadata.zarr_format) == ((1024, 1024, 3), 3)
    assert (seen[0], seen[-1]) == ((0, 4), (4, 4))
    assert len([p for p in (path / "c").rglob("*") if p.is_file()]) == 4


def test_write__failure_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("dasksom.demo.synthetic_mosaic._tile", None)
    with dask.config.set(scheduler="sync"), pytest.raises(TypeError):
        write_mosaic(tmp_path / "m.zarr", side=1024, chunk=1024)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side": 0}, "side must be 1 or more, not 0"),
        ({"chunk": 1000}, "chunk must be a multiple of 1024.*not 1000"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"compressor": "zip"}, "compressor must be one of blosc-lz4, none, zstd, not 'zip'"),
        ({"path": "m.png"}, r"end its name in \.zarr"),
    ],
)
def test_write__refused(tmp_path, change, message):
    arguments = {"path": "m.zarr", "side": 1024, **change}
    with pytest.raises(InputError, match=message):
        write_mosaic(tmp_path / arguments.pop("path"), **arguments)
    (tmp_path / "m.zarr").mkdir()
    with pytest.raises(InputError, match="exists already"):
        write_mosaic(tmp_path / "m.zarr", side=1024, chunk=1024)
