import json
import logging
import pickle
import re
import shutil

import click
import numcodecs
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from dasksom import InputError, open_image, open_picture
from dasksom.cli.main import cli
from dasksom.image import merged
from dasksom.image.sources.unreadable import WithoutRegions
from dasksom.runs.bad_chunks import _MOST_LOGGED, find_unread

HEIGHT, WIDTH, SIDE = 300, 420, 64


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(1, 16, (HEIGHT, WIDTH, 3), np.uint8) * np.uint8(16)


def _damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _cut(path, share=0.5):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _box(i, j, side=SIDE):
    return i * side, min((i + 1) * side, HEIGHT), j * side, min((j + 1) * side, WIDTH)


def _run(arguments):
    cli([str(one) for one in arguments], standalone_mode=False)


CHECKED = zarr.codecs.ZstdCodec(checksum=True)


def _zarr(folder, pixels, **how):
    zarr.create_array(folder / "a.zarr", data=pixels, chunks=(SIDE, SIDE, 3), **{"compressors": CHECKED, **how})
    return folder / "a.zarr"


def _zarr_v3(folder, pixels):
    path = _zarr(folder, pixels)
    _damage(path / "c/0/2/0")
    _cut(path / "c/3/0/0")
    (path / "c/2/6/0").unlink()
    return path, [_box(0, 2), _box(2, 6), _box(3, 0)], "the chunk c/0/2/0"


def _zarr_v2(folder, pixels):
    path = _zarr(folder, pixels, zarr_format=2, compressors=numcodecs.Zstd(checksum=True))
    _damage(path / "0.2.0")
    (path / "2.6.0").unlink()
    return path, [_box(0, 2), _box(2, 6)], r"the chunk 0\.2\.0"


def _sharded(folder, pixels):
    path = _zarr(folder, pixels, shards=(2 * SIDE, 2 * SIDE, 3))
    _cut(path / "c/0/1/0")
    return path, [_box(0, 1, 2 * SIDE)], r"the shard c/0/1/0, pixels \[0:64, 128:192\]"


def _ome_zarr(folder, pixels):
    _run(["quantize", str(_png(folder, pixels)), str(folder / "a.ome.zarr"), "--chunk", "64", "--shard", "0"])
    _damage(folder / "a.ome.zarr/0/c/1/2/3")
    return folder / "a.ome.zarr", [_box(2, 3)], "the chunk c/1/2/3"


def _png(folder, pixels):
    Image.fromarray(pixels).save(folder / "whole.png")
    return folder / "whole.png"


def _tiff_tiles(folder, pixels):
    path = folder / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(SIDE, SIDE), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offsets, counts = tiff.pages[0].dataoffsets, tiff.pages[0].databytecounts
    data = bytearray(path.read_bytes())
    for number in (2, 20):
        data[offsets[number] : offsets[number] + counts[number]] = bytes(counts[number])
    path.write_bytes(data)
    return path, [_box(0, 2), _box(2, 6)], r"tile or strip 2, pixels \[0:64, 128:192\],"


def _tiff_missing_tile(folder, pixels):
    path = folder / "a.tif"
    tiles = [pixels[y : y + SIDE, x : x + SIDE] for y in range(0, 256, SIDE) for x in range(0, 384, SIDE)]
    tiles[7] = None
    tifffile.imwrite(
        path, iter(tiles), shape=(256, 384, 3), dtype="u1", photometric="rgb", tile=(64, 64), compression="zlib"
    )
    return path, [_box(1, 1)], r"tile or strip 7, pixels \[64:128, 64:128\], is missing"


def _tiff_cut_short(folder, pixels):
    tifffile.imwrite(folder / "a.tif", pixels, photometric="rgb", rowsperstrip=50)
    start = (folder / "a.tif").stat().st_size - pixels.nbytes
    (folder / "a.tif").write_bytes((folder / "a.tif").read_bytes()[: start + 222 * WIDTH * 3 + 5])
    return folder / "a.tif", [(222, HEIGHT, 0, WIDTH)], r"ends inside pixels \[\d+:\d+, 0:420\]"


def _tiff_strips(folder, pixels):
    tifffile.imwrite(folder / "a.tif", pixels, photometric="rgb", rowsperstrip=50, compression="zlib")
    _cut(folder / "a.tif", 0.7)
    first = int(HEIGHT * 0.7) // 50 * 50
    return folder / "a.tif", [(first, HEIGHT, 0, WIDTH)], r"tile or strip 4, pixels \[200:250, 0:420\], ends too early"


def _folder(folder, pixels):
    tiles = folder / "tiles"
    tiles.mkdir()
    for i, j in np.ndindex(3, 3):
        part = pixels[i * 100 : i * 100 + 100, j * 140 : j * 140 + 140]
        tifffile.imwrite(tiles / f"r{i}_c{j}.tif", part, photometric="rgb", compression="zlib")
    (tiles / "r0_c1.tif").write_bytes(b"no TIFF at all")
    _damage(tiles / "r2_c2.tif")
    return tiles, [(0, 100, 140, 280), (200, 300, 280, 420)], r"r0_c1\.tif: is not a TIFF"


def _vrt(folder, pixels):
    tiles, parts, _ = _folder(folder, pixels)
    (tiles / "r0_c1.tif").unlink()
    bands = ""
    for band in range(3):
        sources = "".join(
            f'<SimpleSource><SourceFilename relativeToVRT="1">tiles/r{i}_c{j}.tif</SourceFilename>'
            f'<SourceBand>{band + 1}</SourceBand><SrcRect xOff="0" yOff="0" xSize="140" ySize="100"/>'
            f'<DstRect xOff="{j * 140}" yOff="{i * 100}" xSize="140" ySize="100"/></SimpleSource>'
            for i, j in np.ndindex(3, 3)
        )
        bands += f'<VRTRasterBand dataType="Byte" band="{band + 1}">{sources}</VRTRasterBand>'
    (folder / "a.vrt").write_text(f'<VRTDataset rasterXSize="420" rasterYSize="300">{bands}</VRTDataset>')
    return folder / "a.vrt", parts, r"r0_c1\.tif: cannot be opened"


KINDS = [_zarr_v3, _zarr_v2, _sharded, _tiff_tiles, _tiff_missing_tile, _tiff_cut_short, _tiff_strips, _folder, _vrt]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("chunk_bytes", [1 << 20, 3 * 128 * 128])
def test_unread__is_found_named_and_left_out(tmp_path, pixels, make, chunk_bytes, caplog):
    path, parts, message = make(tmp_path, pixels)
    picture = open_picture(path, unread=(), chunk_bytes=chunk_bytes)
    seen = []
    found = find_unread(picture, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (picture.pixels.npartitions,) * 2
    assert found.parts == tuple(parts)
    assert any(record.levelno == logging.WARNING for record in caplog.records)
    assert re.search(f"skipped, as no data: .*{message}", caplog.text)
    with pytest.raises(InputError, match=r"\[\d+:\d+, \d+:\d+\]"):
        picture.pixels.compute()
    without = open_picture(path, unread=found.parts, chunk_bytes=chunk_bytes)
    counts = np.ones(without.pixels.shape[:2], bool)
    for top, bottom, left, right in parts:
        counts[top:bottom, left:right] = False
    assert np.array_equal(without.mask.compute(), counts)
    read = without.pixels.compute()
    expected = pixels[: read.shape[0], : read.shape[1]]
    assert np.array_equal(read[counts], expected[counts])
    assert not read[~counts].any()
    assert find_unread(without).parts == ()


@pytest.mark.parametrize("make", [_zarr_v3, _sharded, _tiff_tiles, _tiff_strips])
def test_stop__is_the_default_and_leaves_nothing(tmp_path, pixels, make, capsys):
    path, _, _ = make(tmp_path, pixels)
    with pytest.raises(InputError, match=r"chunk|shard|tile or strip|is cut short"):
        _run(["quantize", str(path), str(tmp_path / "out.zarr"), "--grid", "2x2"])
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("make", [_ome_zarr])
def test_channels_first__name_the_chunk_of_the_channel(tmp_path, pixels, make):
    path, parts, message = make(tmp_path, pixels)
    with pytest.raises(InputError, match=message):
        open_image(path).compute()
    assert find_unread(open_picture(path, unread=())).parts == tuple(parts)


def _mask_of(folder, parts):
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    for top, bottom, left, right in parts:
        mask[top:bottom, left:right] = 0
    Image.fromarray(mask).save(folder / "mask.png")
    return folder / "mask.png"


def _quantize(source, output, *options):
    _run(["quantize", str(source), str(output), "--grid", "3x3", "--cluster", "threads", *options])
    group = zarr.open_group(output, mode="r")
    return [np.asarray(group[name][...]) for name in ("labels", "palette", "image")]


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_run__skipping_is_a_mask_of_exactly_those_chunks(tmp_path, pixels, dtype, capsys):
    (tmp_path / "whole").mkdir()
    whole = _zarr(tmp_path / "whole", pixels.astype(dtype))
    (tmp_path / "bad").mkdir()
    path, parts, _ = _zarr_v3(tmp_path / "bad", pixels.astype(dtype))
    expected = _quantize(whole, tmp_path / "a.zarr", "--mask", str(_mask_of(tmp_path, parts)))
    told = ["--on-bad-chunk", "skip", "--summary", str(tmp_path / "run.json"), "--report"]
    found = _quantize(path, tmp_path / "b.zarr", *told)
    for one, other in zip(expected, found, strict=True):
        assert np.array_equal(one, other, equal_nan=dtype == "f4")
    assert "pixels in 3 regions could not be" in capsys.readouterr().out
    summary = json.loads((tmp_path / "run.json").read_text())
    assert summary["not_read"] == [list(part) for part in parts]
    assert "check" in summary["seconds"]
    record = zarr.open_group(tmp_path / "b.zarr", mode="r").attrs["dasksom"]["metadata"]["run"]
    assert record["not_read"] == [list(part) for part in parts]
    report = (tmp_path / "b.report.html").read_text()
    assert "rows 128:192, columns 384:420" in report
    assert "pixels that have data with the original" in report


def test_run__skipping_nothing_is_a_run_without(tmp_path, pixels):
    path = _zarr(tmp_path, pixels)
    plain, skipped = (_quantize(path, tmp_path / f"{name}.zarr", "--on-bad-chunk", name) for name in ("stop", "skip"))
    for one, other in zip(plain, skipped, strict=True):
        assert np.array_equal(one, other)


def test_train__on_several_images_of_which_one_is_damaged(tmp_path, pixels):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _zarr(tmp_path / name, pixels)
    path, parts, _ = _zarr_v3(_emptied(tmp_path / "bad"), pixels)
    common = ["--grid", "2x2", "--cluster", "threads"]
    told = ["--on-bad-chunk", "skip", "--summary", tmp_path / "s.json"]
    _run(["train", tmp_path / "one/a.zarr", path, tmp_path / "a.npz", *common, *told])
    assert json.loads((tmp_path / "s.json").read_text())["not_read"] == [list(part) for part in parts]


def _emptied(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def test_masks__are_read_for_it_too(tmp_path, pixels):
    path = _zarr(tmp_path, pixels)
    (tmp_path / "mask").mkdir()
    mask = _zarr(tmp_path / "mask", np.full((HEIGHT // 2, WIDTH // 2, 3), 1, np.uint8))
    _damage(mask / "c/1/1/0")
    found = find_unread(open_picture(path, mask=mask, unread=()))
    assert found.parts == ((128, 256, 128, 256),)
    counts = open_picture(path, mask=mask, unread=found.parts).mask.compute()
    assert counts.sum() == HEIGHT * WIDTH - 128 * 128


def test_nothing_readable__is_an_error(tmp_path, pixels):
    path = _zarr(tmp_path, pixels)
    for chunk in (path / "c").rglob("0"):
        if chunk.is_file():
            _cut(chunk)
    with pytest.raises(InputError, match=r"not a single chunk can be read: .*the chunk c/0/0/0"):
        _run(["quantize", str(path), str(tmp_path / "b.zarr"), "--on-bad-chunk", "skip"])
    assert not (tmp_path / "b.zarr").exists()


def test_photographs__are_one_chunk(tmp_path, pixels):
    path = _png(tmp_path, pixels)
    _cut(path)
    with pytest.raises(InputError, match=r"not a single chunk can be read: .*whole\.png: its pixels cannot be decoded"):
        find_unread(open_picture(path, unread=()))


def test_log__is_bounded(tmp_path, pixels, caplog):
    path = _zarr(tmp_path, pixels)
    for j in range(1, 7):
        for i in range(5):
            (path / f"c/{i}/{j}/0").unlink()
    found = find_unread(open_picture(path, unread=()))
    assert found.parts == ((0, HEIGHT, SIDE, WIDTH),)
    assert found.count == 30
    assert len(found.messages) == _MOST_LOGGED
    assert len(caplog.records) == _MOST_LOGGED + 1
    assert "skipped, as no data: 10 more chunks" in caplog.text


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("error", [MemoryError, _KilledError, OSError])
def test_other_errors__are_no_bad_chunks(tmp_path, pixels, error, monkeypatch):
    picture = open_picture(_zarr(tmp_path, pixels), unread=())

    def fail(self, region):
        raise error("no chunk's fault")

    monkeypatch.setattr(type(picture.sources[0]), "read", fail)
    with pytest.raises(error, match="no chunk's fault"):
        find_unread(picture)


def test_memory_errors__pass_through_the_sources(tmp_path, pixels, monkeypatch):
    picture = open_picture(_zarr(tmp_path, pixels), unread=())

    def fail(self, region):
        raise MemoryError

    monkeypatch.setattr(type(picture.sources[0]), "_read", fail)
    with pytest.raises(MemoryError):
        find_unread(picture)


def test_cluster__finds_the_same(tmp_path, pixels, client):
    path, parts, _ = _zarr_v3(tmp_path, pixels)
    assert find_unread(open_picture(path, unread=(), chunk_bytes=3 * 128 * 128)).parts == tuple(parts)


def test_source_without_parts__is_small_and_many_parts_travel_apart(tmp_path, pixels):
    path = _zarr(tmp_path, pixels)
    few, many = (tuple((i, i + 1, 0, 2) for i in range(0, 2 * count, 2)) for count in (3, 100))
    source = open_picture(path, unread=few).sources[0]
    assert isinstance(source, WithoutRegions)
    assert np.array_equal(pickle.loads(pickle.dumps(source))[0:300, 0:420, 0:3], source[0:300, 0:420, 0:3])
    for parts in (few, many):
        image = open_picture(path, unread=parts, chunk_bytes=3 * 128 * 128).pixels
        expected = pixels.copy()
        for top, _, _, _ in parts:
            expected[top, :2] = 0
        assert np.array_equal(image.compute(), expected)
        held = sum(len(pickle.dumps(task)) for task in dict(image.__dask_graph__()).values())
        assert held < 30_000


@pytest.mark.parametrize("seed", range(20))
def test_merged__covers_the_same_pixels_once(seed):
    draw = np.random.default_rng(seed)
    cells = [(i, i + 1, j, j + 1) for i, j in np.ndindex(6, 7) if draw.random() < 0.6]
    draw.shuffle(cells)
    painted = np.zeros((6, 7), int)
    for top, bottom, left, right in merged([tuple(map(int, cell)) for cell in cells]):
        painted[top:bottom, left:right] += 1
    assert painted.max() <= 1
    assert painted.sum() == len(cells)


def test_option__is_checked(tmp_path):
    with pytest.raises(click.BadParameter, match="'ignore' is not one of 'stop', 'skip'"):
        _run(["quantize", "a.zarr", "b.zarr", "--on-bad-chunk", "ignore"])
