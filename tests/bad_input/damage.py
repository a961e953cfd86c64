"""Files and the ways to damage them, as recipes: a recipe is JSON, so that a process of its own can follow it."""

import io
import json
import re
import struct
from functools import cache
from types import SimpleNamespace

import numpy as np
import tifffile
import zarr
from PIL import Image
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec
from zarr.storage import MemoryStore

from dasksom import BatchSOM
from dasksom.config import load_config
from dasksom.runs.workflows import quantize_image
from dasksom.som.quality import Epoch, Quality
from dasksom.training.record_encoding import pack
from dasksom.training.trained_map import MapState

PIXELS = np.random.default_rng(0).integers(1, 256, (40, 56, 3), np.uint8)
GRAY = PIXELS[..., 0]
VRT = (
    '<VRTDataset rasterXSize="56" rasterYSize="40"><SRS>EPSG:32633</SRS>'
    "<GeoTransform>5, 10, 0, 5, 0, -10</GeoTransform>"
    '<VRTRasterBand dataType="Byte" band="1"><NoDataValue>7</NoDataValue><ComplexSource>'
    '<SourceFilename relativeToVRT="1">tile.png</SourceFilename><SourceBand>1</SourceBand>'
    '<SrcRect xOff="0" yOff="0" xSize="56" ySize="40"/><DstRect xOff="0" yOff="0" xSize="56" ySize="40"/>'
    "<NODATA>7</NODATA></ComplexSource></VRTRasterBand></VRTDataset>"
)
QUIET = SimpleNamespace(plan=lambda _: None, stage=lambda *_: None, progress=lambda *_: None, epoch=lambda _: None)
YAML = (
    "map: {grid: 3x4, epochs: 7, sigma: [2.0, 0.5], toroidal: false, seed: 3}\n"
    "cluster: {name: slurm, workers: 3, memory_limit: 4GiB, adapt: null, options: {cores: 2, queue: day}}\n"
    "input:\n  select: {z: 3, c: [0, 2]}\n  nodata: 7\n  chunk_size: 64MiB\noutput:\n  chunk: 512\n  codec: zstd\n"
)


def _tiff(pixels=PIXELS, **how):
    file = io.BytesIO()
    ome, bigtiff = how.pop("ome", False), how.pop("bigtiff", False)
    levels = how.pop("levels", 0)
    with tifffile.TiffWriter(file, ome=ome, bigtiff=bigtiff) as writer:
        if levels:
            writer.write(pixels, subifds=1, **how)
            writer.write(pixels[::2, ::2], subfiletype=1, **how)
        else:
            writer.write(pixels, **how)
    return {"a.tif": file.getvalue()}


def _photograph(name, **how):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, **how)
    return {name: file.getvalue()}


def _zarr(make):
    """Give the files of a store below a.zarr."""
    store = MemoryStore()
    make(store)
    return {f"a.zarr/{key}": value.to_bytes() for key, value in store._store_dict.items()}


def _array(pixels=PIXELS, **how):
    return _zarr(lambda store: zarr.create_array(store, data=pixels, **how))


def _ome():
    def make(store):
        group = zarr.create_group(store)
        group.create_array("0", data=PIXELS.transpose(2, 0, 1), chunks=(1, 20, 28), dimension_names=("c", "y", "x"))
        group.create_array("1", data=PIXELS[::2, ::2].transpose(2, 0, 1), dimension_names=("c", "y", "x"))
        axes = [
            {"name": "c", "type": "channel"},
            *({"name": name, "type": "space", "unit": "micrometer"} for name in "yx"),
        ]
        levels = [
            {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": [1.0, 2.0**n, 2.0**n]}]}
            for n in range(2)
        ]
        group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels, "name": "a"}]}

    return _zarr(make)


def _consolidated():
    def make(store):
        group = zarr.create_group(store)
        group.create_array("image", data=PIXELS)
        group.create_array("labels", data=GRAY)
        zarr.consolidate_metadata(store)

    return _zarr(make)


def _result(name):
    """Make an output that a report could be made of."""

    def make(tmp):
        place = tmp / "result"
        place.mkdir(exist_ok=True)
        Image.fromarray(PIXELS).save(place / "in.png")
        config = load_config(None, {"map": {"grid": (2, 2), "epochs": 1}, "output": {"overwrite": True}})
        quantize_image(str(place / "in.png"), str(place / name), config, QUIET)
        found = [path for path in (place / name).rglob("*") if path.is_file()] or [place / name]
        return {path.relative_to(place).as_posix(): path.read_bytes() for path in found}

    return make


def _model(tmp):
    BatchSOM(2, 2, epochs=1).fit(PIXELS).save(tmp / "a.npz")
    return {"a.npz": (tmp / "a.npz").read_bytes()}


def _record(tmp):
    epoch = Epoch(1, 0.5, 1 / 3, 0.1, 2.0, 0.0, 7)
    quality = Quality(np.ones(2), np.zeros(2), 0.1, np.ones(1), np.zeros(3), 1e-3, None)
    content = pack({"state": MapState(np.ones((5, 3)), np.eye(3), (epoch, epoch)), "more": (1, None, "text", quality)})
    return {"a.record": content[64:]}  # the sum is made anew, or nothing behind it would be reached


TILES = {"photometric": "rgb", "tile": (16, 16)}
BASES = {
    "tiff-zlib": lambda tmp: _tiff(**TILES, compression="zlib", predictor=True),
    "tiff-lzw": lambda tmp: _tiff(**TILES, compression="lzw"),
    "tiff-jpeg": lambda tmp: _tiff(**TILES, compression="jpeg"),
    "tiff-zstd": lambda tmp: _tiff(**TILES, compression="zstd"),
    "tiff-packbits": lambda tmp: _tiff(**TILES, compression="packbits"),
    "tiff-raw": lambda tmp: _tiff(photometric="rgb"),
    "tiff-strips": lambda tmp: _tiff(photometric="rgb", rowsperstrip=7, compression="zlib"),
    "tiff-planar": lambda tmp: _tiff(PIXELS.transpose(2, 0, 1), photometric="rgb", planarconfig="separate", tile=(16,
    16)),
    "tiff-big": lambda tmp: _tiff(**TILES, bigtiff=True, compression="zlib"),
    "tiff-ome": lambda tmp: _tiff(**TILES, ome=True, levels=1, compression="zlib", metadata={"PhysicalSizeX": 0.5}),
    "tiff-float": lambda tmp: _tiff(
        GRAY.astype(np.float32), photometric="minisblack", tile=(16, 16), compression="zlib", predictor=True,
        extratags=[(42113, 2, 0, "7", True), (33550, 12, 3, (1.0, 1.0, 0.0), True)],
    ),
    "png": lambda tmp: _photograph("a.png", format="PNG"),
    "jpeg": lambda tmp: _photograph("a.jpg", format="JPEG"),
    "webp": lambda tmp: _photograph("a.webp", format="WEBP"),
    "zarr": lambda tmp: _array(chunks=(20, 28, 3)),
    "zarr-2": lambda tmp: _array(chunks=(20, 28, 3), zarr_format=2),
    "zarr-blosc": lambda tmp: _array(chunks=(20, 28, 3), compressors=BloscCodec(cname="lz4")),
    "zarr-gzip": lambda tmp: _array(chunks=(20, 28, 3), compressors=GzipCodec()),
    "zarr-shards": lambda tmp: _array(chunks=(5, 7, 3), shards=(20, 28, 3), compressors=ZstdCodec(checksum=True)),
    "zarr-group": lambda tmp: _consolidated(),
    "ome-zarr": lambda tmp: _ome(),
    "vrt": lambda tmp: {**_photograph("tile.png", format="PNG"), "a.vrt": VRT.encode()},
    "result-zarr": _result("out.zarr"),
    "result-ome": _result("out.ome.zarr"),
    "result-tiff": _result("out.tif"),
    "yaml": lambda tmp: {"a.yaml": YAML.encode()},
    "model": _model,
    "record": _record,
}  # fmt: skip
"""Whole files that are damaged, by name: functions of a folder to make them in; they give content by file name."""

TARGETS = {"vrt": "a.vrt"}
"""The file of a base that is damaged, where not all are."""

LEAVES = [
    None, True, 0, -1, 1, 3, 65_536, 2**31, 2**63, 2**64, 10**30, 1.5, float("nan"), float("inf"), "", "x", "NaN",
    "../..",
    "a" * 5000, "pickle", "sharding_indexed", "<f8", "|O", "uint8", [], {}, [0], [-1, 2], [[[[]]]], {"name": "gzip"},
    {"id": "pickle"}, {"name": "sharding_indexed", "configuration": {"chunk_shape": [1, 1, 1], "codecs": []}},
]  # fmt: skip
"""What takes the place of a value in JSON."""
WORDS = [0, 1, 2, 3, 7, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1]
NUMBERS = ["0", "-1", "1", "99999999999", "1e400", "nan", "inf", "1.5", "x", "", "9" * 40]


def damaged(content, edits):
    """Return the content of a file, damaged by edits."""
    for kind, *how in edits:
        content = EDITS[kind](content, *how)
    return content


def _byte(content, at, value):
    at %= max(1, len(content))
    return content[:at] + bytes([value]) + content[at + 1 :]


def _early(content, at, value):
    """Change a byte of the first 512, where headers are."""
    return _byte(content, at % 512, value)


def _word(content, at, size, value):
    at %= max(1, len(content))
    raw = (value & (256**size - 1)).to_bytes(size, "little")
    return content[:at] + raw + content[at + size :]


def _cut(content, at):
    return content[: at % max(1, len(content))]


def _drop(content, at, count):
    at %= max(1, len(content))
    return content[:at] + content[at + count :]


def _twice(content, at, count):
    at %= max(1, len(content))
    return content[: at + count] + content[at:]


def _tag(content, number, field, value):
    """Change an entry of a TIFF's first directory: code, type, count, or value."""
    big = content[2:3] == b"+"
    if len(content) < 32 or content[:2] != b"II":
        return content
    start = struct.unpack_from("<Q", content, 8)[0] if big else struct.unpack_from("<I", content, 4)[0]
    length, first = (20, 8) if big else (12, 2)
    if start + first > len(content):
        return content
    count = struct.unpack_from("<H", content, start)[0] or 1
    at = start + first + length * (number % count) + ((0, 2, 4, 12) if big else (0, 2, 4, 8))[field]
    size = (2, 2, 8, 8)[field] if big else (2, 2, 4, 4)[field]
    return content[:at] + (value & (256**size - 1)).to_bytes(size, "little") + content[at + size :]


def _number(content, number, value):
    """Change one of the numbers in a text."""
    found = list(re.finditer(rb"[0-9.]+", content))
    if not found:
        return content
    one = found[number % len(found)]
    return content[: one.start()] + value.encode() + content[one.end() :]


def _leaf(content, way, value):
    """Change a value in a JSON document, found by going down it; None for a value deletes it."""
    try:
        told = json.loads(content)
    except ValueError:
        return content
    outer, key, inner = None, None, told
    for step in way:
        if not isinstance(inner, (dict, list)) or not inner:
            break
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        outer, key = inner, keys[step % len(keys)]
        inner = outer[key]
    if outer is None:
        return json.dumps(value).encode()
    if value is None:
        del outer[key]
    else:
        outer[key] = value
    return json.dumps(told).encode()


EDITS = {
    "byte": _byte, "early": _early, "word": _word, "cut": _cut, "drop": _drop, "twice": _twice, "tag": _tag,
    "number": _number, "leaf": _leaf,
}  # fmt: skip


@cache
def files_of(base, tmp):
    """Return the files of a base, made once."""
    return BASES[base](tmp)


def follow(recipe, tmp, folder):
    """Write the files of a recipe, damaged, into an empty folder."""
    files = files_of(recipe["base"], tmp)
    target = TARGETS.get(recipe["base"])
    names = sorted(files) if target is None else [target]
    broken = names[recipe["file"] % len(names)]
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damaged(content, recipe["edits"]) if name == broken else content)
