"""Image files that cannot be used."""

import os
import shutil
import struct
import zlib

import numpy as np
import tifffile
import zarr
from PIL import Image
from zarr.codecs import ZstdCodec

from tests.bad_input.cases import Case, changed, quantize, tag

PIXELS = np.random.default_rng(0).integers(1, 256, (48, 64, 3), np.uint8)

# ------------------------------------------------------------------------------------------------------------- Zarr 3


def _zarr(**keys):
    """Make a Zarr 3 of which the metadata tells something else."""

    def make(folder):
        zarr.create_array(folder / "a.zarr", data=PIXELS, chunks=(24, 32, 3))
        changed(folder / "a.zarr/zarr.json", **keys)

    return make


def _zarr_2(**keys):
    def make(folder):
        zarr.create_array(folder / "a.zarr", data=PIXELS, chunks=(24, 32, 3), zarr_format=2)
        changed(folder / "a.zarr/.zarray", **keys)

    return make


def _text(content):
    def make(folder):
        zarr.create_array(folder / "a.zarr", data=PIXELS)
        (folder / "a.zarr/zarr.json").write_text(content)

    return make


def _shards(**keys):
    def make(folder):
        zarr.create_array(folder / "a.zarr", data=PIXELS, chunks=(8, 8, 3), shards=(24, 32, 3))
        changed(folder / "a.zarr/zarr.json", **{f"codecs__0__{key}": value for key, value in keys.items()})

    return make


def _huge_json(folder):
    zarr.create_array(folder / "a.zarr", data=PIXELS)
    os.truncate(folder / "a.zarr/zarr.json", 1 << 33)  # a hole, no bytes on the disk


def _chunk(content, **how):
    def make(folder):
        zarr.create_array(folder / "a.zarr", data=PIXELS, **how)
        path = folder / "a.zarr/c/0/0/0"
        path.write_bytes(content(path.read_bytes()))

    return make


def _thin(folder):
    array = zarr.create_array(folder / "a.zarr", shape=(70_000, 70_000), chunks=(24_000, 24_000), dtype="u1")
    for key in (array.metadata.encode_chunk_key((i, j)) for i in range(3) for j in range(3)):
        (folder / "a.zarr" / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / "a.zarr" / key).write_bytes(b"little")


def _group(folder):
    group = zarr.create_group(folder / "a.zarr")
    group.create_array("one", data=PIXELS)
    group.create_array("two", data=PIXELS)


def _ome(**keys):
    def make(folder):
        group = zarr.create_group(folder / "a.zarr")
        group.create_array("0", data=PIXELS.transpose(2, 0, 1))
        axes = [{"name": name} for name in "cyx"]
        scale = [{"type": "scale", "scale": [1, 1, 1]}]
        told = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}], **keys}
        group.attrs["ome"] = {"version": "0.5", "multiscales": [told]}

    return make


def _consolidated(folder):
    _group(folder)
    zarr.consolidate_metadata(folder / "a.zarr")
    changed(
        folder / "a.zarr/zarr.json",
        consolidated_metadata__metadata__one__codecs=[{"name": "bytes"}, {"name": "numcodecs.pickle"}],
    )


def _both(folder):
    zarr.create_array(folder / "a.zarr", data=PIXELS, zarr_format=2)
    zarr.create_array(folder / "b.zarr", data=PIXELS)
    shutil.move(folder / "b.zarr/zarr.json", folder / "a.zarr/zarr.json")
    shutil.rmtree(folder / "b.zarr")


def _no_chunk(folder, instead=None):
    zarr.create_array(folder / "a.zarr", data=PIXELS, chunks=(24, 32, 3))
    (folder / "a.zarr/c/1/0/0").unlink()
    if instead:
        (folder / "a.zarr/c/1/0/0").mkdir()


def _made(**how):
    return lambda folder: zarr.create_array(folder / "a.zarr", **how)


REGULAR = "chunk_grid__configuration__chunk_shape"
PICKLE = {"id": "pickle", "protocol": 4}
DAMAGED = "its metadata is damaged"
AGAIN = "store it again"

ZARR = [
    Case("zarr: a folder with nothing in it", quantize("a.zarr"), "a.zarr: no Zarr metadata", "give the directory that",
         lambda folder: (folder / "a.zarr").mkdir()),
    Case("zarr: a zip", quantize("a.zarr"), "a.zarr: is not a directory", "zipped Zarr store",
         lambda folder: (folder / "a.zarr").write_bytes(b"PK\3\4")),
    Case("zarr: no JSON", quantize("a.zarr"), "zarr.json: its Zarr metadata", "Write the store again", _text("{ no")),
    Case("zarr: JSON that is a list", quantize("a.zarr"), "a list", "a mapping is expected", _text("[1]")),
    Case("zarr: JSON nested 100,000 deep", quantize("a.zarr"), "nested too deeply", "Write the store again",
         _text("[" * 100_000)),
    Case("zarr: metadata of 8 GiB", quantize("a.zarr"), "8589934592 bytes", "at most 67108864", _huge_json),
    Case("zarr: version 5", quantize("a.zarr"), "zarr_format is 5", "Zarr 2 and 3 are read", _zarr(zarr_format=5)),
    Case("zarr: metadata of both versions", quantize("a.zarr"), "Zarr 2 and of Zarr 3", "delete one", _both),
    Case("zarr: a negative length", quantize("a.zarr"), "[-48, 64, 3]", DAMAGED, _zarr(shape=[-48, 64, 3])),
    Case("zarr: a length of 2^60", quantize("a.zarr"), "[1152921504606846976", "lengths from 0 to",
         _zarr(shape=[1 << 60, 64, 3])),
    Case("zarr: a fractional length", quantize("a.zarr"), "[48.5, 64, 3]", DAMAGED, _zarr(shape=[48.5, 64, 3])),
    Case("zarr: no shape", quantize("a.zarr"), "its shape is None", DAMAGED, _zarr(shape=None)),
    Case("zarr: 40 axes", quantize("a.zarr"), "its shape is [1, 1", "up to 16 lengths", _zarr(shape=[1] * 40)),
    Case("zarr: no pixels", quantize("a.zarr"), "shape (0, 64, 3)", "at least 1", _zarr(shape=[0, 64, 3])),
    Case("zarr: one axis", quantize("a.zarr"), "has 1 axes, shape (9,)", "--axes", _made(shape=(9,), dtype="u1")),
    Case("zarr: four axes", quantize("a.zarr"), "has 4 axes", "--axes tzyx", _made(shape=(2, 3, 8, 8), dtype="u1")),
    Case("zarr: bands first", quantize("a.zarr"), "(3, 60, 80) looks like bands first", "--axes cyx",
         _made(shape=(3, 60, 80), dtype="u1")),
    Case("zarr: chunks of 0", quantize("a.zarr"), "chunks of (0, 4, 3)", DAMAGED, _zarr(**{REGULAR: [0, 4, 3]})),
    Case("zarr: negative chunks", quantize("a.zarr"), "chunks of (-4, 4, 3)", DAMAGED, _zarr(**{REGULAR: [-4, 4, 3]})),
    Case("zarr: chunks of 112 GiB", quantize("a.zarr"), "(200000, 200000, 3), 111.8 GiB", "smaller chunks",
         _zarr(**{REGULAR: [200_000, 200_000, 3]})),
    Case("zarr 2: chunks of 112 GiB", quantize("a.zarr"), "(200000, 200000, 3), 111.8 GiB", "smaller chunks",
         _zarr_2(chunks=[200_000, 200_000, 3])),
    Case("zarr: chunks of two axes", quantize("a.zarr"), "chunks of (4, 4)", "each of 3 axes", _zarr(**{REGULAR: [4,
         4]})),
    Case("zarr: a grid that is not regular", quantize("a.zarr"), "its chunk_grid is", "one of regular",
         _zarr(chunk_grid={"name": "rectilinear", "configuration": {}})),
    Case("zarr: 9,000,000 chunks", quantize("a.zarr", "--fill-missing"), "9000000 chunks of (1, 1, 3)", "larger chunks",
         _made(shape=(3000, 3000, 3), chunks=(1, 1, 3), dtype="u1")),
    Case("zarr: keys of chunks that lead elsewhere", quantize("a.zarr"), "separator of chunk keys is ../", "'.' or '/'",
         _zarr(chunk_key_encoding={"name": "default", "configuration": {"separator": "../"}})),
    Case("zarr: keys of an unknown kind", quantize("a.zarr"), "chunk_key_encoding", "one of default, v2",
         _zarr(chunk_key_encoding={"name": "tomorrow"})),
    Case("zarr 2: keys of chunks that lead elsewhere", quantize("a.zarr"), "dimension_separator is ../", "'.' or '/'",
         _zarr_2(dimension_separator="../")),
    Case("zarr: storage transformers", quantize("a.zarr"), "storage_transformers", "none is accepted",
         _zarr(storage_transformers=[{"name": "x"}])),
    Case("zarr: dtype string", quantize("a.zarr"), "dtype string", "integers and floats", _zarr(data_type="string")),
    Case("zarr: dtype complex", quantize("a.zarr"), "dtype complex64", "integers and floats",
         _zarr(data_type="complex64")),
    Case("zarr: dtype datetime", quantize("a.zarr"), "dtype numpy.datetime64", "integers and floats",
         _zarr(data_type={"name": "numpy.datetime64", "configuration": {"unit": "s"}})),
    Case("zarr: dtype bool", quantize("a.zarr"), "dtype bool", "convert them to uint8", _made(shape=(9, 9),
         dtype="bool")),
    Case("zarr 2: dtype object", quantize("a.zarr"), "dtype |O", "integers and floats", _zarr_2(dtype="|O")),
    Case("zarr 2: dtype structured", quantize("a.zarr"), "dtype [['r', '|u1']]", "integers and floats",
         _zarr_2(dtype=[["r", "|u1"]])),
    Case("zarr 2: the filter pickle", quantize("a.zarr"), "'pickle', which runs", "with zstd",
         _zarr_2(filters=[PICKLE])),
    Case("zarr 2: the compressor pickle", quantize("a.zarr"), "'pickle', which runs", "with zstd",
         _zarr_2(compressor=PICKLE)),
    Case("zarr 2: the filters vlen-utf8 and pickle", quantize("a.zarr"), "'pickle', which runs", "with zstd",
         _zarr_2(dtype="|O", filters=[{"id": "vlen-utf8"}, PICKLE])),
    Case("zarr 2: the filter json2", quantize("a.zarr"), "'json2', which is not one", "with zstd",
         _zarr_2(filters=[{"id": "json2"}])),
    Case("zarr 2: a filter that is no mapping", quantize("a.zarr"), "filter is zlib", "id of a codec",
         _zarr_2(filters=["zlib"])),
    Case("zarr 2: a filter to objects", quantize("a.zarr"), "dtype O", "integers and floats",
         _zarr_2(filters=[{"id": "astype", "encode_dtype": "O", "decode_dtype": "|u1"}])),
    Case("zarr: a codec of tomorrow", quantize("a.zarr"), "'codec_of_tomorrow'", "with zstd",
         _zarr(codecs=[{"name": "bytes"}, {"name": "codec_of_tomorrow"}])),
    Case("zarr: text for a codec", quantize("a.zarr"), "'vlen-utf8'", "with zstd",
         _zarr(codecs=[{"name": "vlen-utf8"}])),
    Case("zarr: a codec that takes a package", quantize("a.zarr"), "numcodecs.zfpy", "pip install zfpy",
         _zarr(codecs=[{"name": "numcodecs.zfpy"}])),
    Case("zarr: 99 codecs", quantize("a.zarr"), "its codecs is", "at most 16 codecs",
         _zarr(codecs=[{"name": "crc32c"}] * 99)),
    Case("zarr: shards in shards", quantize("a.zarr"), "shards inside shards", AGAIN,
         _shards(configuration__codecs=[{"name": "sharding_indexed", "configuration": {"chunk_shape": [8, 8, 3]}}])),
    Case("zarr: shards of 2^52 chunks", quantize("a.zarr"), "4503599627370496 chunks in each shard", "larger chunks",
         lambda folder: (_shards(configuration__chunk_shape=[1, 1, 3])(folder),
                         changed(folder / "a.zarr/zarr.json", **{REGULAR: [1 << 26, 1 << 26, 3]}))),
    Case("zarr: shards that are no whole chunks", quantize("a.zarr"), "chunk_shape of its shards is (5, 8, 3)",
         "a divisor",
         _shards(configuration__chunk_shape=[5, 8, 3])),
    Case("zarr: a compressed index of a shard", quantize("a.zarr"), "index_codecs is ['gzip']", "bytes and crc32c",
         _shards(configuration__index_codecs=[{"name": "gzip"}])),
    Case("zarr: pickle in consolidated metadata", quantize("a.zarr"), "'numcodecs.pickle', which runs", "with zstd",
         _consolidated),
    Case("zarr: a chunk is missing", quantize("a.zarr"), "the first one c/1/0/0", "--fill-missing", _no_chunk),
    Case("zarr: a folder in place of a chunk", quantize("a.zarr"), "the first one c/1/0/0", "--fill-missing",
         lambda folder: _no_chunk(folder, instead="folder")),
    Case("zarr: 54 bytes that would be 4.8 GiB", quantize("a.zarr"), "9 chunks have 54 bytes", "--fill-missing", _thin),
    Case("zarr: a damaged chunk", quantize("a.zarr"), "a.zarr: the chunk c/0/0/0, pixels [", "damaged or gone",
         _chunk(lambda old: old[:-3] + b"xxx", compressors=ZstdCodec(checksum=True)), early=False),
    Case("zarr: a chunk cut in half", quantize("a.zarr"), "a.zarr: the chunk c/0/0/0, pixels [", "damaged or gone",
         _chunk(lambda old: old[: len(old) // 2]), early=False),
    Case("zarr: a chunk of 10 MB that decodes to 9 kB", quantize("a.zarr"), "c/0/0/0: 10000000 bytes", "write it again",
         _chunk(lambda old: bytes(10_000_000)), early=False),
    Case("zarr: zstd that claims a terabyte", quantize("a.zarr"), "decodes to 1099511627776 bytes", "write it again",
         _chunk(lambda old: b"\x28\xb5\x2f\xfd\xc0\x00" + (1 << 40).to_bytes(8, "little") + old), early=False),
    Case("zarr: two arrays", quantize("a.zarr"), "one (48, 64, 3) uint8; two", "--component NAME", _group),
    Case("zarr: no array", quantize("a.zarr"), "which array is the image", "--component",
         lambda folder: zarr.create_group(folder / "a.zarr")),
    Case("zarr: a component that is not there", quantize("a.zarr", "--component", "3"), "no array '3'", "it holds one",
         _group),
    Case("zarr: a component outside", quantize("a.zarr", "--component", "../scene.zarr"), "'../scene.zarr'",
         "it holds one",
         _group),
    Case("zarr: a component of an array", quantize("scene.zarr", "--component", "x"), "is an array",
         "leave component='x'"),
    Case("zarr: a level of no pyramid", quantize("scene.zarr", "--level", "2"), "--level 2", "level 0 only"),
    Case("zarr: axes of another number", quantize("scene.zarr", "--axes", "yx"), "--axes yx: has 2",
         "3 axes are stored"),
    Case("ome-zarr: no levels", quantize("a.zarr"), "lists no level", "--component", _ome(datasets=[])),
    Case("ome-zarr: levels that are a number", quantize("a.zarr"), "cannot be understood", "--component",
         _ome(datasets=5)),
    Case("ome-zarr: a level outside", quantize("a.zarr"), "levels outside of it (../scene.zarr)", "--component",
         _ome(datasets=[{"path": "../scene.zarr"}])),
    Case("ome-zarr: other axes than stored", quantize("a.zarr"), "has 3 axes", "--component",
         _ome(axes=[{"name": "y"}, {"name": "x"}], datasets=[{"path": "0"}])),
    Case("ome-zarr: a level too many", quantize("a.zarr", "--level", "9"), "--level 9", "0 (full resolution) to 0",
         _ome()),
]  # fmt: skip

# --------------------------------------------------------------------------------------------------------------- TIFF


def _tiff(*tags, data=PIXELS, how=None, pages=1):
    """Make a TIFF of which tags tell something else: (code, value)."""

    def make(folder):
        how_ = {"photometric": "rgb", "tile": (16, 16), "compression": "zlib", **(how or {})}
        with tifffile.TiffWriter(folder / "a.tif", bigtiff=how_.pop("bigtiff", False)) as file:
            for _ in range(pages):
                file.write(data, **how_, metadata=None)
        for code, value in tags:
            tag(folder / "a.tif", code, value)

    return make


def _described(description):
    def make(folder):
        tifffile.imwrite(folder / "a.tif", PIXELS, photometric="rgb", description=description, metadata=None)

    return make


def _bytes(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def _cut(keep):
    def make(folder):
        _tiff()(folder)
        os.truncate(folder / "a.tif", int(os.stat(folder / "a.tif").st_size * keep))

    return make


def _damaged_tile(folder):
    _tiff()(folder)
    with tifffile.TiffFile(folder / "a.tif") as file:
        at = file.pages[0].dataoffsets[3]
    content = bytearray((folder / "a.tif").read_bytes())
    content[at + 8 : at + 24] = b"x" * 16
    (folder / "a.tif").write_bytes(content)


def _holes(folder):
    some = iter([PIXELS[:16, :16], *[None] * 11])
    tifffile.imwrite(folder / "a.tif", some, shape=PIXELS.shape, dtype="u1", photometric="rgb", tile=(16, 16),
                     compression="zlib")  # fmt: skip


def _loop(folder):
    """An image file directory whose next one is itself, and is no image."""
    (folder / "a.tif").write_bytes(struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 254, 4, 1, 0, 8))


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]>'
OUTSIDE = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels '
    'ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="64" SizeY="48" SizeC="3" SizeZ="1" SizeT="1"><Channel '
    'ID="Channel:0:0" SamplesPerPixel="3"/><TiffData IFD="0" PlaneCount="1"><UUID FileName="../other.tif">'
    "urn:uuid:00000000-0000-0000-0000-000000000000</UUID></TiffData></Pixels></Image></OME>"
)
IS_TIFF = "is not a TIFF that can be read"

TIFF = [
    Case("tiff: empty", quantize("a.tif"), "a.tif: is empty (0 bytes)", "copied completely", _bytes("a.tif", b"")),
    Case("tiff: text", quantize("a.tif"), f"a.tif: {IS_TIFF}", "misnamed", _bytes("a.tif", b"no picture")),
    Case("tiff: a header alone", quantize("a.tif"), "a.tif: ", "cut short", _bytes("a.tif", b"II*\0\x08\0\0\0")),
    Case("tiff: pages beyond the end", quantize("a.tif"), "a.tif: ", "cut short", _bytes("a.tif",
         b"II*\0\xf0\xff\0\0")),
    Case("tiff: pages in a circle", quantize("a.tif"), "lead back to an earlier one", "copy it again", _loop),
    Case("tiff: half of it", quantize("a.tif"), "a.tif: is cut short", "copy it again", _cut(0.5)),
    Case("tiff: a byte too few", quantize("a.tif"), "a.tif: is cut short", "copy it again", _cut(0.999)),
    Case("tiff: 2^31 - 1 pixels wide", quantize("a.tif"), "table of tiles or strips is incomplete",
         "copy the file again",
         _tiff((256, 2**31 - 1), how={"bigtiff": True})),
    Case("tiff: 0 pixels wide", quantize("a.tif"), "shape (48, 0, 3)", "at least 1", _tiff((256, 0))),
    Case("tiff: tiles of 2^16 x 2^16", quantize("a.tif"), "65520 x 65520 pixels", "tiles of 512 x 512",
         _tiff((322, 65520), (323, 65520))),
    Case("tiff: tiles of 0", quantize("a.tif"), "a.tif: ", "512 x 512", _tiff((322, 0))),
    Case("tiff: 60,000 samples", quantize("a.tif"), "cannot be decoded", "the file is damaged",
         _tiff((277, 60_000)), early=False),
    Case("tiff: tiles that are missing", quantize("a.tif"), "11 of its 12 tiles or strips", "--fill-missing", _holes),
    Case("tiff: CMYK", quantize("a.tif"), "SEPARATED", "convert it to RGB",
         _tiff(data=np.dstack([PIXELS, PIXELS[..., :1]]), how={"photometric": "separated"})),
    Case("tiff: RGB of 4 bits", quantize("a.tif"), "values of 4 bits", "convert it to 8",
         _tiff(data=PIXELS % 16, how={"bitspersample": 4, "compression": None, "tile": None})),
    Case("tiff: gray levels of 3 bits", quantize("a.tif"), "values of 3 bits", "convert it to 8",
         _tiff(data=PIXELS[..., 0] % 8,
               how={"photometric": "minisblack", "bitspersample": 3, "compression": None, "tile": None})),
    Case("tiff: old-style JPEG", quantize("a.tif"), "old-style JPEG", "compress it otherwise first", _tiff((259, 6))),
    Case("tiff: complex", quantize("a.tif"), "dtype complex128", "integers and floats",
         _tiff(data=PIXELS[..., 0].astype(complex), how={"photometric": "minisblack"})),
    Case("tiff: a stack", quantize("a.tif"), "its axes are q=3, y=48, x=64", "--select q=0",
         lambda folder: tifffile.imwrite(folder / "a.tif", PIXELS.transpose(2, 0, 1), photometric="minisblack")),
    Case("tiff: two images", quantize("a.tif"), "a.tif: ", "--se", _tiff(pages=2)),
    Case("tiff: no such image", quantize("good.tif", "--series", "2"), "--series 2", "its images are 0 YXS"),
    Case("tiff: no such level", quantize("good.tif", "--level", "1"), "--level 1", "its levels are 0 YXS"),
    Case("tiff: an axis that is none", quantize("good.tif", "--select", "z=1"), "--select z", "s (0 to 2)"),
    Case("tiff: a place that is none", quantize("good.tif", "--select", "s=7"), "s=7", "0 to 2"),
    Case("tiff: a place that is no number", quantize("good.tif", "--select", "s=x"), "s=x", "0,2 or 0:3"),
    Case("tiff: a component", quantize("good.tif", "--component", "x"), "component='x'", "leave it out"),
    Case("tiff: an unknown compression", quantize("a.tif"), "compressed as 9999", "compress it otherwise first",
         _tiff((259, 9999))),
    Case("tiff: a damaged tile", quantize("a.tif"), "tile or strip 3, pixels [0:16, 48:64]", "the file is damaged",
         _damaged_tile, early=False),
    Case("tiff: entities in its OME-XML", quantize("a.tif"), "declares XML entities", "plain TIFF",
         _described(f"<?xml version='1.0'?>{BOMB}<OME>&c;</OME>")),
    Case("tiff: OME-XML that leads outside", quantize("a.tif"), "'../other.tif'", "one folder", _described(OUTSIDE)),
    Case("tiff: a value that the type cannot hold", quantize("good.tif", "--nodata", "-5"), "nodata=-5",
         "leave --nodata"),
    Case("tiff: no number for no data", quantize("good.tif", "--nodata", "x"), "nodata='x'", "nan or none"),
    Case("tiff: opacity of an unknown kind", quantize("good.tif", "--alpha", "x"), "'x'", "'mask', 'drop', 'band'"),
]  # fmt: skip

# -------------------------------------------------------------------------------------------------------- photographs


def _png(width, height, depth=8, color=2, rest=b""):
    def block(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", zlib.compress(rest)) + block(b"IEND", b"")


def _saved(name, image, keep=1.0, **how):
    def make(folder):
        image.save(folder / name, **how)
        os.truncate(folder / name, int(os.stat(folder / name).st_size * keep))

    return make


PHOTO = Image.fromarray(PIXELS)
TRUE = "as RGB"
PHOTOGRAPHS = [
    Case("png: empty", quantize("a.png"), "a.png: is empty", "copied completely", _bytes("a.png", b"")),
    Case("png: text", quantize("a.png"), "a.png: is not a PNG", "misnamed", _bytes("a.png", b"no picture")),
    Case("png: cut short", quantize("a.png"), "a.png: its pixels cannot be", "cut short", _saved("a.png", PHOTO, 0.6),
         early=False),
    Case("png: pixels that are lacking", quantize("a.png"), "a.png: its pixels cannot be", "cut short",
         _bytes("a.png", _png(40, 40, rest=b"few")), early=False),
    Case("png: 3,600 megapixels", quantize("a.png"), "a.png: too large", "tiled TIFF", _bytes("a.png", _png(60_000,
         60_000))),
    Case("png: no pixels", quantize("a.png"), "a.png: ", "damaged", _bytes("a.png", _png(0, 9))),
    Case("pnm: text of 16 bits", quantize("a.pgm"), "a PNM of 16 bits written as text", "binary PNM",
         _bytes("a.pgm", b"P2\n2 1\n65535\n1 2\n")),
    Case("png: an animation", quantize("a.png"), "an animation of 2 frames", "save one frame",
         _saved("a.png", PHOTO, save_all=True, append_images=[PHOTO.rotate(180)])),
    Case("jpeg: CMYK", quantize("a.jpg"), "its colors are CMYK", "convert it to RGB", _saved("a.jpg",
         PHOTO.convert("CMYK"))),
    Case("jpeg: cut short", quantize("a.jpg"), "a.jpg: its pixels cannot be", "cut short", _saved("a.jpg", PHOTO, 0.5),
         early=False),
    Case("jpeg: 65,500 x 65,500", quantize("a.jpg"), "a.jpg: too large", "tiled TIFF",
         lambda folder: (PHOTO.save(folder / "a.jpg"), _size_of_jpeg(folder / "a.jpg", 65_500))),
    Case("webp: text", quantize("a.webp"), "a.webp: is not a PNG, JPEG, WebP", "misnamed", _bytes("a.webp",
         b"RIFFwebp")),
    Case("photograph: a level", quantize("photo.png", "--level", "1"), "level=1", "leave it out"),
    Case("photograph: a component", quantize("photo.png", "--component", "x"), "component='x'", "leave it out"),
    Case("photograph: axes", quantize("photo.png", "--axes", "yxc"), "--axes does not apply", "leave it out"),
    Case("no image: text", quantize("a.xyz"), "a.xyz: not an image", "accepted are", _bytes("a.xyz", b"no picture")),
    Case("no image: a video", quantize("a.mp4"), "a.mp4: not an image", "accepted are", _bytes("a.mp4",
         b"\0\0\0 ftypisom")),
]  # fmt: skip


def _size_of_jpeg(path, side):
    content = path.read_bytes()
    at = content.index(b"\xff\xc0") + 5
    path.write_bytes(content[:at] + struct.pack(">HH", side, side) + content[at + 4 :])


# ---------------------------------------------------------------------------------------------------- many files as one


def _vrt(old="", new="", encoding="utf-8"):
    def make(folder):
        text = (
            '<VRTDataset rasterXSize="48" rasterYSize="40"><VRTRasterBand dataType="Byte"><SimpleSource>'
            '<SourceFilename relativeToVRT="1">photo.png</SourceFilename><SourceBand>1</SourceBand>'
            '<SrcRect xOff="0" yOff="0" xSize="48" ySize="40"/><DstRect xOff="0" yOff="0" xSize="48" ySize="40"/>'
            "</SimpleSource></VRTRasterBand></VRTDataset>"
        )
        assert old in text
        head = f'<?xml version="1.0" encoding="{encoding}"?>' if encoding != "utf-8" else ""
        (folder / "a.vrt").write_text(head + text.replace(old, new, 1), encoding=encoding)

    return make


def _folder(names, odd=None):
    def make(folder):
        (folder / "tiles").mkdir()
        for number, name in enumerate(names):
            size = (9, 9) if number == odd else (20, 10)
            Image.new("RGB", size, (number, 9, 9)).save(folder / "tiles" / name)

    return make


FILE = "make a file of it first"
MOSAICS = [
    Case("vrt: no XML", quantize("a.vrt"), "is not a GDAL .vrt: no element", "a.vrt", _vrt("</VRTDataset>")),
    Case("vrt: entities", quantize("a.vrt"), "declares XML entities", "no image needs", _vrt("<VRTD", BOMB + "<VRTD")),
    Case("vrt: entities in UTF-16", quantize("a.vrt"), "declares XML entities", "no image needs",
         _vrt("<VRTD", BOMB + "<VRTD", encoding="utf-16")),
    Case("vrt: something else", quantize("a.vrt"), "its root is <Other>", "not <VRTDataset>",
         lambda folder: (folder / "a.vrt").write_text("<Other/>")),
    Case("vrt: warped", quantize("a.vrt"), "VRTWarpedDataset", FILE, _vrt("<VRTDataset ",
         '<VRTDataset subClass="VRTWarpedDataset" ')),
    Case("vrt: a pixel function", quantize("a.vrt"), "PixelFunctionCode is not read", FILE,
         _vrt("<SimpleS", "<PixelFunctionCode/><SimpleSource resampling='cubic'></SimpleSource><SimpleS")),
    Case("vrt: endless", quantize("a.vrt"), "'inf' is no integer number", FILE, _vrt('rasterXSize="48"',
         'rasterXSize="inf"')),
    Case("vrt: no width", quantize("a.vrt"), "'nan' is no integer number", FILE, _vrt('rasterXSize="48"',
         'rasterXSize="nan"')),
    Case("vrt: no number for no data", quantize("a.vrt"), "'some' is no number", "--nodata VALUE",
         _vrt("<SimpleS", "<NoDataValue>some</NoDataValue><SimpleS")),
    Case("vrt: a file that is not there", quantize("a.vrt"), "gone.png: cannot be opened", "check the path",
         _vrt("photo.png", "gone.png")),
    Case("vrt: a file of another machine", quantize("a.vrt"), "http://host/photo.png is no file", FILE,
         _vrt("photo.png", "http://host/photo.png")),
    Case("vrt: a file outside", quantize("a.vrt"), "../photo.png, outside", "--allow-outside", _vrt("photo.png",
         "../photo.png")),
    Case("vrt: an absolute file outside", quantize("a.vrt"), "/etc/passwd, outside", "--allow-outside",
         _vrt("photo.png", "/etc/passwd")),
    Case("vrt: itself", quantize("a.vrt"), "a.vrt: not an image", "accepted are", _vrt("photo.png", "a.vrt")),
    Case("vrt: a pipe", quantize("a.vrt"), "is neither a file nor a directory", "give an image file",
         lambda folder: (_vrt("photo.png", "pipe.png")(folder), os.mkfifo(folder / "pipe.png"))),
    Case("vrt: another type", quantize("a.vrt"), "3 bands of uint8", "convert the tiles", _vrt("Byte", "UInt16")),
    Case("vrt: too many bands", quantize("a.vrt"), "3 bands of uint8, but 9", "convert the tiles", _vrt("Band>1",
         "Band>9")),
    Case("vrt: gaps", quantize("a.vrt"), "leave gaps", "--fill-missing", _vrt('rasterXSize="48"', 'rasterXSize="99"')),
    Case("vrt: a level", quantize("a.vrt", "--level", "1"), "--level", "leave it out", _vrt()),
    Case("tiles: nothing in the folder", quantize("tiles"), "no tiles of one image either; found no images",
         "names that give row", _folder([])),
    Case("tiles: one is missing", quantize("tiles"), "row 1 and column 1 is missing", "copy it too",
         _folder(["r0_c0.png", "r0_c1.png", "r1_c0.png"])),
    Case("tiles: two in one place", quantize("tiles"), "the same row and column", "names that give row",
         _folder(["r0_c0.png", "r0_c1.png", "r0_c01.png"])),
    Case("tiles: of two sizes", quantize("tiles"), "r0_c1.png: has", "must not overlap", _folder(["r0_c0.png",
         "r0_c1.png"], 0)),
    Case("tiles: one is damaged", quantize("tiles"), "r0_c1.png: is not a PNG", "damaged",
         lambda folder: (_folder(["r0_c0.png", "r0_c1.png"])(folder), (folder / "tiles/r0_c1.png").write_bytes(b"x"))),
]  # fmt: skip

CASES = [*ZARR, *TIFF, *PHOTOGRAPHS, *MOSAICS]
