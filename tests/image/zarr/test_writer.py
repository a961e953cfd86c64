import pickle
import shutil

import dask.array as da
import numpy as np
import pytest
import xarray
import zarr

from dasksom.image import Options, Output, create_writer, open_image
from dasksom.image.zarr.writer import _stored


def _writer(path, labels, palette, chunks, **kwargs):
    height, width = labels.shape
    return create_writer(
        Output(path, height=height, width=width, chunks=chunks, palette=palette, metadata={"epochs": [1, 2]}, **kwargs)
    )


def _write(path, labels, palette, chunks, **kwargs):
    writer = pickle.loads(pickle.dumps(_writer(path, labels, palette, chunks, **kwargs)))
    corners = [(y, x) for y in range(0, labels.shape[0], chunks[0]) for x in range(0, labels.shape[1], chunks[1])]
    parts = [(c, labels[c[0] : c[0] + chunks[0], c[1] : c[1] + chunks[1]]) for c in corners]
    writer.collect((corner, part.shape, writer.encode(part, corner)) for corner, part in parts)
    return writer


def test_writes__read_by_xarray(tmp_path, random):
    palette = random.integers(0, 256, (9, 3), np.uint8)
    labels = random.integers(0, 9, (300, 400), np.uint8)
    _write(tmp_path / "a.zarr", labels, palette, (256, 256), options=Options(chunk=128, codec="blosc"))
    found = xarray.open_zarr(tmp_path / "a.zarr", consolidated=False)
    assert found["image"].dims == ("y", "x", "bands")
    assert np.array_equal(found["image"], palette[labels])
    assert np.array_equal(found["labels"], labels + 1)
    assert zarr.open_array(tmp_path / "a.zarr", path="labels", mode="r").chunks == (128, 128)


@pytest.mark.parametrize(("units", "dtype"), [(1, "u1"), (255, "u1"), (256, "u2"), (65_535, "u2"), (65_536, "u4")])
def test_writes__labels_from_one(tmp_path, random, units, dtype):
    palette = random.integers(0, 256, (units, 3), np.uint8)
    labels = random.integers(0, units, (600, 700), np.uint32)
    labels[0, :2] = 0, units - 1
    _write(tmp_path / "a.zarr", labels, palette, (512, 512))
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert group["labels"].dtype == np.dtype(dtype)
    assert np.array_equal(group["labels"][...], labels + 1)
    assert np.array_equal(group["image"][...], palette[labels])
    assert np.array_equal(group["palette"][...], palette)


def test_writes__what_others_need_to_know(tmp_path, random):
    palette = random.integers(0, 256, (7, 3), np.uint8)
    _write(tmp_path / "a.zarr", np.zeros((40, 50), np.uint8), palette, (40, 50))
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    about = group.attrs["dasksom"]
    assert about["format"] == 1
    assert about["labels"]["offset"] == 1
    assert about["labels"]["nodata"] == 0
    assert about["metadata"] == {"epochs": [1, 2]}
    assert group.metadata.zarr_format == 3
    assert group["labels"].metadata.dimension_names == ("y", "x")
    assert group["image"].metadata.dimension_names == ("y", "x", "bands")
    assert "checksum" in str(group["labels"].compressors)


@pytest.mark.parametrize(("dtype", "fill"), [("u2", 0), ("f4", np.nan), (">i4", 0)])
def test_writes__pixels_without_data(tmp_path, random, dtype, fill):
    palette = (random.random((256, 5)) * 1000 + 1).astype(dtype)
    labels = random.integers(0, 256, (30, 40), np.uint16)
    labels[:5], labels[5] = 256, 60_000
    _write(tmp_path / "a.zarr", labels, palette, (30, 40), nodata=True)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert not group["labels"][:6].any()
    assert np.array_equal(group["labels"][6:], labels[6:] + 1)
    assert np.array_equal(group["image"][:6], np.full((6, 40, 5), fill, dtype), equal_nan=True)
    assert np.array_equal(group["image"][6:], palette[labels[6:]])


def test_writes__without_image(tmp_path, random):
    labels = random.integers(0, 7, (30, 40), np.uint8)
    _write(tmp_path / "a.zarr", labels, np.zeros((7, 3), np.uint8), (30, 40), with_image=False)
    assert sorted(zarr.open_group(tmp_path / "a.zarr", mode="r").array_keys()) == ["labels", "palette"]


def test_writes__every_chunk_even_if_all_fill(tmp_path):
    labels = np.full((1024, 1024), 3, np.uint8)
    _write(tmp_path / "a.zarr", labels, np.zeros((3, 3), np.uint8), (512, 512), nodata=True)
    assert len([p for p in (tmp_path / "a.zarr/labels/c").rglob("*") if p.is_file()]) == 4
    assert len([p for p in (tmp_path / "a.zarr/image/c").rglob("*") if p.is_file()]) == 4


def test_writes__twice_is_once(tmp_path, random):
    palette = random.integers(0, 256, (9, 3), np.uint8)
    labels = random.integers(0, 9, (300, 400), np.uint8)
    writer = _write(tmp_path / "a.zarr", labels, palette, (256, 400))
    files = {p: p.read_bytes() for p in (tmp_path / "a.zarr").rglob("*") if p.is_file()}
    writer.encode(labels[256:], (256, 0))
    assert {p: p.read_bytes() for p in (tmp_path / "a.zarr").rglob("*") if p.is_file()} == files


def test_writes__a_second_output_of_the_same_name_uses_its_own_palette(tmp_path, random):
    labels = np.zeros((30, 40), np.uint8)
    for units in (1, 2):
        palette = np.full((units, 3), units * 10, np.uint8)
        _write(tmp_path / "a.zarr", labels, palette, (30, 40))
        assert (zarr.open_group(tmp_path / "a.zarr")["image"][...] == units * 10).all()
        shutil.rmtree(tmp_path / "a.zarr")


def test_writes__from_dask_threads(tmp_path, random):
    # neither side of the image is a multiple of its chunks
    palette = random.integers(0, 256, (100, 3), np.uint8)
    labels = random.integers(0, 100, (2345, 3210), np.uint8)
    lazy = da.from_array(labels, chunks=(600, 1500))
    writer = _writer(tmp_path / "a.zarr", labels, palette, (600, 1500))
    assert zarr.open_group(tmp_path / "a.zarr")["labels"].chunks == (600, 1500)

    def encode(block, block_info):
        (y, _), (x, _) = block_info[0]["array-location"]
        writer.encode(block, (y, x))
        return np.zeros((1, 1), bool)

    lazy.map_blocks(encode, chunks=(1, 1), dtype=bool, meta=np.empty((0, 0), bool)).compute(num_workers=8)
    assert np.array_equal(open_image(tmp_path / "a.zarr").compute(), palette[labels])
    assert np.array_equal(open_image(tmp_path / "a.zarr", component="labels").compute()[..., 0], labels + 1)


@pytest.mark.parametrize(
    ("corner", "shape"), [((100, 0), (512, 512)), ((0, 0), (512, 500)), ((512, 0), (400, 512)), ((0, 512), (512, 600))]
)
def test_writes__misaligned_is_an_error(tmp_path, corner, shape):
    writer = _writer(tmp_path / "a.zarr", np.zeros((1000, 1100), np.uint8), np.zeros((3, 3), np.uint8), (512, 512))
    with pytest.raises(RuntimeError, match=r"internal error: .* not whole storage chunks"):
        writer.encode(np.zeros(shape, np.uint8), corner)


@pytest.mark.parametrize("labels", [np.zeros((4, 4), np.int64), np.zeros((4, 4, 1), np.uint8)])
def test_writes__wrong_labels_are_an_error(tmp_path, labels):
    writer = _writer(tmp_path / "a.zarr", np.zeros((4, 4), np.uint8), np.zeros((3, 3), np.uint8), (4, 4))
    with pytest.raises(TypeError, match="internal error"):
        writer.encode(labels, (0, 0))
    with pytest.raises(ValueError, match="internal error: label 3 of a palette of 3"):
        writer.encode(np.full((4, 4), 3, np.uint8), (0, 0))


@pytest.mark.parametrize(
    ("chunk", "length", "stored"),
    [
        (4096, 32_768, 2048),
        (2048, 32_768, 2048),
        (6144, 32_768, 2048),
        (4560, 100_000, 1520),
        (37, 100_000, 37),
        (4801, 100_000, 4801),  # a prime: better one large piece than a file per pixel
        (4096, 4000, 2048),  # one image chunk: any length will do
        (4096, 300, 300),
    ],
)
def test_stored__divides_the_image_chunk(chunk, length, stored):
    assert _stored(chunk, length) == stored
    assert chunk >= length or chunk % stored == 0
