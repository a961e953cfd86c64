import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zarr
from zarr.codecs import ZstdCodec

from dasksom.errors import InputError
from dasksom.image import open_image, open_pixels
from dasksom.storage.zarr_nodes import is_zarr


def _store(path, pixels, **kwargs):
    array = zarr.create_array(path, shape=pixels.shape, dtype=pixels.dtype, **kwargs)
    array[...] = pixels
    return path


@pytest.fixture
def pixels(random):
    return random.integers(0, 256, (301, 222, 3), np.uint8)


@pytest.mark.parametrize("version", [2, 3])
def test_reads__both_versions(tmp_path, pixels, version):
    path = _store(tmp_path / "a.zarr", pixels, chunks=(64, 50, 3), zarr_format=version)
    image = open_image(path, chunk_bytes=120 * 120 * 3)
    assert image.chunksize == (64, 100, 3)
    assert np.array_equal(image.compute(), pixels)


def test_reads__two_axes_as_one_band(tmp_path, pixels):
    image = open_image(_store(tmp_path / "a.zarr", pixels[..., 0], chunks=(64, 50)))
    assert image.shape == (301, 222, 1)
    assert np.array_equal(image.compute()[..., 0], pixels[..., 0])


def test_reads__shard_is_the_storage_chunk(tmp_path, pixels):
    path = _store(tmp_path / "a.zarr", pixels, chunks=(16, 16, 3), shards=(128, 64, 3))
    assert open_pixels(path).storage_chunks == (128, 64)
    image = open_image(path, chunk_bytes=128 * 64 * 3)
    assert image.chunksize == (128, 64, 3)
    assert np.array_equal(image.compute(), pixels)


def test_reads__bands_stored_apart_become_one_chunk(tmp_path, pixels):
    image = open_image(_store(tmp_path / "a.zarr", pixels, chunks=(64, 50, 1)))
    assert image.chunks[2] == (3,)
    assert np.array_equal(image.compute(), pixels)


@pytest.mark.parametrize(("dtype", "order"), [(">u2", "C"), (">f4", "F"), ("<i4", "F")])
def test_reads__any_byte_order_as_native_contiguous(tmp_path, pixels, dtype, order):
    path = _store(tmp_path / "a.zarr", pixels.astype(dtype), chunks=(64, 50, 3), zarr_format=2, order=order)
    image = open_image(path)
    block = open_pixels(path)[3:70, 5:60, 0:3]
    assert image.dtype == np.dtype(dtype).newbyteorder("=") == block.dtype
    assert block.flags.c_contiguous
    assert block.dtype.isnative
    assert np.array_equal(image.compute(), pixels)


def test_image__one_task_per_chunk_and_nothing_read(tmp_path, pixels, monkeypatch):
    path = _store(tmp_path / "a.zarr", pixels, chunks=(64, 50, 3))
    monkeypatch.setattr("dasksom.image.zarr.source.ZarrSource.read", None)
    image = open_image(path, chunk_bytes=1)
    assert image.npartitions == 25
    assert len(dict(image.__dask_graph__())) == 25


def test_image__name_follows_the_file(tmp_path, pixels):
    path = _store(tmp_path / "a.zarr", pixels, chunks=(64, 50, 3))
    first = open_image(path)
    assert open_image(path).name == first.name
    assert open_image(path, chunk_bytes=1).name != first.name
    assert np.array_equal(first.compute(), pixels)
    _store(path, pixels[:, :200], chunks=(64, 40, 3), overwrite=True)
    changed = open_image(path)
    assert changed.name != first.name
    assert np.array_equal(changed.compute(), pixels[:, :200])


def test_source__pickles_small(tmp_path, pixels):
    source = open_pixels(_store(tmp_path / "a.zarr", pixels, chunks=(64, 50, 3)))
    source[0:5, 0:5, 0:3]  # opens the array, which must not travel
    sent = pickle.dumps(source)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent)[7:90, 3:111, 0:3], pixels[7:90, 3:111])


def test_source__many_threads(tmp_path, pixels):
    source = open_pixels(_store(tmp_path / "a.zarr", pixels, chunks=(64, 50, 3)))
    with ThreadPoolExecutor(8) as pool:
        starts = range(0, 200, 2)
        read = pool.map(lambda y: source[y : y + 50, 10:120, 0:3], starts)
        assert all(np.array_equal(r, pixels[y : y + 50, 10:120]) for y, r in zip(starts, read, strict=True))


def test_group__its_only_image(tmp_path, pixels):
    group = zarr.create_group(tmp_path / "g.zarr")
    group.create_array("pixels", data=pixels)
    group.create_array("wavelengths", data=np.arange(3.0))
    assert np.array_equal(open_image(tmp_path / "g.zarr").compute(), pixels)


def test_group__the_one_called_image(tmp_path, pixels):
    group = zarr.create_group(tmp_path / "g.zarr")
    group.create_array("image", data=pixels)
    group.create_array("labels", data=pixels[..., 0])
    assert np.array_equal(open_image(tmp_path / "g.zarr").compute(), pixels)
    assert open_image(tmp_path / "g.zarr", component="labels").shape == (301, 222, 1)


def test_group__nested_component(tmp_path, pixels):
    zarr.create_group(tmp_path / "g.zarr").create_array("level/0", data=pixels)
    assert np.array_equal(open_image(tmp_path / "g.zarr", component="/level/0").compute(), pixels)


def test_group__ambiguous(tmp_path, pixels):
    group = zarr.create_group(tmp_path / "g.zarr")
    group.create_array("a", data=pixels)
    group.create_array("b", data=pixels[..., 0])
    with pytest.raises(InputError, match=r"a \(301, 222, 3\) uint8; b \(301, 222\) uint8; say component=.*--component"):
        open_image(tmp_path / "g.zarr")


@pytest.mark.parametrize("component", ["c", "../a.zarr", ""])
def test_group__component_that_is_not_there(tmp_path, pixels, component):
    _store(tmp_path / "a.zarr", pixels)
    zarr.create_group(tmp_path / "g.zarr").create_array("a", data=pixels)
    with pytest.raises(InputError, match=r"no array .* in this group; it holds a"):
        open_image(tmp_path / "g.zarr", component=component)


def test_array__component_is_refused(tmp_path, pixels):
    with pytest.raises(InputError, match="is an array, not a group; leave component='a'"):
        open_image(_store(tmp_path / "a.zarr", pixels), component="a")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 60, 80), "looks like bands first.*--axes cyx"),
        ((20, 30, 2000), "looks like bands first"),
        ((0, 10, 3), "has no pixels"),
        ((10,), r"has 1 axes, shape \(10,\)"),
        ((1, 1, 5, 5), r"has 4 axes, shape \(1, 1, 5, 5\)"),
    ],
)
def test_shape__refused(tmp_path, shape, message):
    zarr.create_array(tmp_path / "a.zarr", shape=shape, dtype="u1")
    with pytest.raises(InputError, match=message):
        open_image(tmp_path / "a.zarr")


def test_shape__names_of_axes_settle_it(tmp_path):
    zarr.create_array(tmp_path / "last.zarr", data=np.ones((3, 60, 80), "u1"), dimension_names=("y", "x", "band"))
    assert open_image(tmp_path / "last.zarr").shape == (3, 60, 80)
    planes = np.arange(60 * 50 * 8, dtype=np.uint16).reshape(60, 50, 8)
    zarr.create_array(tmp_path / "first.zarr", data=planes, chunks=(7, 20, 8), dimension_names=("c", "y", "x"))
    assert np.array_equal(open_image(tmp_path / "first.zarr").compute(), planes.transpose(1, 2, 0))
    zarr.create_array(tmp_path / "4d.zarr", data=planes[None], dimension_names=("t", "c", "y", "x"))
    assert np.array_equal(open_image(tmp_path / "4d.zarr").compute(), planes.transpose(1, 2, 0))


def test_shape__axes_given(tmp_path, pixels):
    path = _store(tmp_path / "a.zarr", np.ascontiguousarray(pixels.transpose(2, 0, 1)), chunks=(1, 64, 64))
    assert np.array_equal(open_image(path, axes="cyx", chunk_bytes=30_000).compute(), pixels)
    with pytest.raises(InputError, match="--axes cyxz: has 4 letters, but 3 axes are stored"):
        open_image(path, axes="cyxz")
    with pytest.raises(InputError, match="its axes are c=3, q=301, x=222; an image needs y and x"):
        open_image(path, axes="cqx")


def test_chunks__missing_ones_are_an_error_or_the_fill_value(tmp_path, pixels):
    stored = pixels.copy()
    stored[64:128, :50] = 0  # zarr does not write such a chunk
    path = _store(tmp_path / "a.zarr", stored, chunks=(64, 50, 3))
    with pytest.raises(
        InputError, match=r"a\.zarr: 1 of its 25 chunks is missing, the first one c/1/0/0.*--fill-missing"
    ):
        open_image(path)
    assert np.array_equal(open_image(path, fill_missing=True).compute(), stored)
    image = open_image(_store(tmp_path / "b.zarr", pixels, chunks=(64, 50, 3)))
    (tmp_path / "b.zarr/c/2/1/0").unlink()
    with pytest.raises(InputError, match=r"b\.zarr: the chunk c/2/1/0, pixels \[128:192, 50:100\], .* is missing"):
        image.compute()


def test_chunks__missing_ones_that_are_nan_hold_no_data(tmp_path, pixels):
    stored = pixels.astype(np.float32)
    stored[64:128, :50] = np.nan
    path = _store(tmp_path / "a.zarr", stored, chunks=(64, 50, 3), fill_value=np.nan)
    assert np.array_equal(open_image(path).compute(), stored, equal_nan=True)


@pytest.mark.parametrize("dtype", ["bool", "c8", "U5", "M8[s]"])
def test_dtype__refused(tmp_path, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's, on types that the format does not specify
        zarr.create_array(tmp_path / "a.zarr", shape=(8, 8), dtype=dtype)
        expected = "uint8" if dtype == "bool" else "accepted are integers and floats"
        with pytest.raises(InputError, match=expected):
            open_image(tmp_path / "a.zarr")


def test_metadata__missing_damaged_or_unknown(tmp_path, pixels):
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match="no Zarr metadata"):
        open_image(tmp_path / "empty.zarr")
    path = _store(tmp_path / "a.zarr", pixels)
    (path / "zarr.json").write_text("{ not json")
    with pytest.raises(InputError, match="metadata cannot be read"):
        open_image(path)
    path = _store(tmp_path / "b.zarr", pixels)
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(text.replace('"zstd"', '"codec_of_tomorrow"'))
    with pytest.raises(InputError, match=r"b\.zarr: .*codec_of_tomorrow"):
        open_image(path)
    (tmp_path / "zipped.zarr").write_bytes(b"PK\3\4")
    with pytest.raises(InputError, match="zipped Zarr store is read if"):
        open_image(tmp_path / "zipped.zarr")
    assert not is_zarr(tmp_path / "empty.zarr")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"attributes":{}', '"attributes":[1]', None),
        ('"chunk_shape":[64', '"chunk_shape":[0', r"chunks of \(0, 50, 3\); its metadata is damaged|cannot be"),
        ('"shape":[301', '"shape":[-1', "cannot be|chunks"),
        ('"shape":[301', '"shape":[99999', "chunks are missing"),
    ],
)
def test_metadata__that_makes_no_sense(tmp_path, pixels, old, new, message):
    path = _store(tmp_path / "a.zarr", pixels, chunks=(64, 50, 3))
    text = "".join((path / "zarr.json").read_text().split())
    assert old in text
    (path / "zarr.json").write_text(text.replace(old, new))
    if message is None and _zarr_opens(path):  # newer versions refuse it
        assert np.array_equal(open_image(path).compute(), pixels)
    else:
        with pytest.raises(InputError, match=message or "its Zarr metadata cannot be read"):
            open_image(path)


def _zarr_opens(path):
    try:
        zarr.open_array(path, mode="r")
    except TypeError:
        return False
    return True


def test_read__damaged_chunk_is_named(tmp_path, pixels):
    path = _store(tmp_path / "a.zarr", pixels, chunks=(301, 222, 3), compressors=ZstdCodec(checksum=True))
    chunk = path / "c/0/0/0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.zarr: the chunk c/0/0/0, pixels \[0:301, 0:222\], .*damaged"):
        open_image(path).compute()
