import os
import time

import fsspec
import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr
from PIL import Image

from dasksom import open_picture
from dasksom.image import fingerprint, open_pixels
from dasksom.image.mosaics import tiled_source as tiles
from dasksom.image.zarr import source as zarr_files


@pytest.fixture
def pixels(random):
    return random.integers(0, 255, (200, 300, 3), np.uint8)


def _of(path, **options):
    return fingerprint(open_picture(path, **options))


def _rewrite(path):
    """Write a file in place: the same size, another time of last change."""
    before = os.stat(path)
    data = path.read_bytes()
    path.write_bytes(data[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert os.stat(path).st_size == before.st_size


def _zarr(folder, pixels, **how):
    zarr.create_array(folder / "a.zarr", data=pixels, chunks=(32, 32, 3), **how)
    return folder / "a.zarr", [folder / "a.zarr/c/1/2/0", folder / "a.zarr/zarr.json"]


def _zarr_v2(folder, pixels):
    path, _ = _zarr(folder, pixels, zarr_format=2)
    return path, [path / "1.2.0", path / ".zarray"]


def _sharded(folder, pixels):
    path, _ = _zarr(folder, pixels, shards=(64, 64, 3))
    return path, [path / "c/3/4/0"]


def _group(folder, pixels):
    group = zarr.create_group(folder / "a.zarr")
    group.create_array("image", data=pixels, chunks=(32, 32, 3))
    return folder / "a.zarr", [folder / "a.zarr/image/c/0/0/0"]


def _tiff(folder, pixels):
    tifffile.imwrite(folder / "a.tif", pixels, photometric="rgb", tile=(64, 64))
    return folder / "a.tif", [folder / "a.tif"]


def _photograph(folder, pixels):
    Image.fromarray(pixels).save(folder / "a.png")
    return folder / "a.png", [folder / "a.png"]


def _folder(folder, pixels):
    (folder / "tiles").mkdir()
    for i, j in np.ndindex(2, 3):
        Image.fromarray(pixels[i * 100 : i * 100 + 100, j * 100 : j * 100 + 100]).save(folder / f"tiles/r{i}_c{j}.png")
    return folder / "tiles", [folder / "tiles/r1_c2.png"]


def _vrt(folder, pixels):
    tifffile.imwrite(folder / "one.tif", pixels[..., 0], photometric="minisblack")
    tifffile.imwrite(folder / "two.tif", pixels[..., 1], photometric="minisblack")
    sources = "".join(
        f'<SimpleSource><SourceFilename relativeToVRT="1">{name}.tif</SourceFilename><SourceBand>1</SourceBand>'
        f'<SrcRect xOff="0" yOff="0" xSize="300" ySize="200"/><DstRect xOff="{x}" yOff="0" xSize="300" ySize="200"/>'
        "</SimpleSource>"
        for name, x in (("one", 0), ("two", 300))
    )
    band = f'<VRTRasterBand dataType="Byte" band="1">{sources}</VRTRasterBand>'
    (folder / "a.vrt").write_text(f'<VRTDataset rasterXSize="600" rasterYSize="200">{band}</VRTDataset>')
    return folder / "a.vrt", [folder / "one.tif", folder / "two.tif"]


KINDS = [_zarr, _zarr_v2, _sharded, _group, _tiff, _photograph, _folder, _vrt]


def _forget():
    tiles._tiles.cache_clear()
    tiles._tilings.cache_clear()
    zarr_files._array.cache_clear()


@pytest.mark.parametrize("make", KINDS)
def test_fingerprint__changes_with_every_file_and_nothing_else(tmp_path, pixels, make):
    path, files = make(tmp_path, pixels)
    found = fingerprint(open_picture(path))
    source = open_picture(path).sources[0]
    assert _of(path) == found
    (tmp_path / "beside.txt").write_text("no part of the image")
    if path.is_dir() and make not in (_folder, _group):
        (path / "notes.txt").write_text("no part of the image either")
    source[0:50, 0:50, 0:1]  # reading changes nothing
    _forget()
    assert _of(path) == found
    assert fingerprint(source) == found
    assert _of(path, chunk_bytes=10_000) == found
    assert len(found) == 64
    for file in files:
        if "json" in file.name or file.name == ".zarray":
            os.utime(file, ns=(1, 1))  # reversed it would be no metadata any more
        else:
            _rewrite(file)
        assert fingerprint(source) != found, file
        found = fingerprint(source)


@pytest.mark.parametrize("make", [_zarr, _tiff])
def test_fingerprint__is_of_the_mask_too(tmp_path, pixels, make):
    path, _ = make(tmp_path, pixels)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "mask.png")
    found = _of(path, mask=tmp_path / "mask.png")
    assert found != _of(path)
    _rewrite(tmp_path / "mask.png")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "mask.png")
    assert found != _of(path, mask=tmp_path / "mask.png")


def test_fingerprint__of_what_is_selected(tmp_path, random):
    path = tmp_path / "a.zarr"
    stored = random.integers(0, 9, (3, 4, 50, 60), np.uint8)
    zarr.create_array(path, data=stored, chunks=(1, 1, 32, 32), dimension_names=("z", "c", "y", "x"))
    select = {"z": 1, "c": (0, 2)}
    found = _of(path, select=select)
    _rewrite(path / "c/0/0/0/0")
    _rewrite(path / "c/1/1/0/0")
    assert _of(path, select=select) == found
    assert _of(path, select={"z": 1, "c": (0, 1)}) != found
    _rewrite(path / "c/1/2/1/1")
    assert _of(path, select=select) != found


def test_fingerprint__of_a_chunk_that_goes_or_comes(tmp_path, pixels):
    path, (chunk, _) = _zarr(tmp_path, pixels)
    found = _of(path)
    content, before = chunk.read_bytes(), os.stat(chunk)
    chunk.unlink()
    assert _of(path, fill_missing=True) != found
    chunk.write_bytes(content)
    os.utime(chunk, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _of(path) == found


def test_fingerprint__without_parts_is_that_of_the_image(tmp_path, pixels):
    path, _ = _zarr(tmp_path, pixels)
    assert _of(path, unread=[(0, 32, 0, 32)]) == _of(path)


def test_fingerprint__of_more_chunks_than_are_looked_at(tmp_path, pixels, monkeypatch):
    path, _ = _zarr(tmp_path, pixels)
    every, source = _of(path), open_pixels(path)
    monkeypatch.setattr(zarr_files, "_MOST_CHUNKS_LOOKED_FOR", 20)
    members = [name for name, _ in source.members()]
    assert len(members) == len(set(members)) <= 25
    assert members == [name for name, _ in source.members()]
    assert _of(path) != every
    found = _of(path)
    os.utime(path / members[-1], ns=(1, 1))
    assert _of(path) != found


def test_fingerprint__of_a_thousand_chunks_is_quick(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=np.ones((320, 320), np.uint8), chunks=(10, 10))
    source = open_pixels(path)
    fingerprint(source)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        fingerprint(source)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.1


def test_fingerprint__of_arrays_is_their_name():
    one, two = (xr.DataArray(np.full((4, 5, 3), value, np.uint8), dims=("y", "x", "band")) for value in (1, 2))
    assert _of(one) == _of(one)
    assert _of(one) != _of(two)


@pytest.mark.parametrize("name", ["a.zarr", "a.tif"])
def test_fingerprint__on_a_store(tmp_path, pixels, s3, name):
    options, client = s3
    path, _ = (_zarr if name == "a.zarr" else _tiff)(tmp_path, pixels)
    fsspec.filesystem("s3", **options).put(str(path), f"images/print/{name}", recursive=True)
    url = f"s3://images/print/{name}"
    found = _of(url, storage=options)
    assert _of(url, storage=options) == found
    key = f"print/{name}/c/1/2/0" if name == "a.zarr" else f"print/{name}"
    content = client.get_object(Bucket="images", Key=key)["Body"].read()
    client.put_object(Bucket="images", Key=key, Body=content[::-1] if name == "a.zarr" else content[:-1] + b"!")
    assert _of(url, storage=options) != found


def test_metadata_next_to_an_image_counts(tmp_path, pixels):
    for path in (tmp_path / "a.tif", tmp_path / "a.png"):
        tifffile.imwrite(path, pixels) if path.suffix == ".tif" else Image.fromarray(pixels).save(path)
        without = _of(path)
        sidecar = path.with_name(f"{path.name}.aux.xml")
        sidecar.write_text(
            '<PAMDataset><PAMRasterBand band="1"><NoDataValue>1</NoDataValue></PAMRasterBand></PAMDataset>'
        )
        first = _of(path)
        sidecar.write_text(sidecar.read_text().replace(">1<", ">12<"))
        assert len({without, first, _of(path)}) == 3
        sidecar.unlink()
        assert _of(path) == without
