"""Paths, URLs, models, checkpoints and outputs that cannot be used."""

import io
import json
import os
import pickle
import zipfile

import numpy as np
import zarr
from PIL import Image

import dasksom
from dasksom import BatchSOM
from dasksom.training.checkpoint import Checkpoint
from dasksom.training.record_encoding import pack
from tests.bad_input.cases import Case, changed, quantize

# --------------------------------------------------------------------------------------------------------------- paths


def _there(name="out.zarr"):
    return lambda folder: (folder / name).write_text("mine")


def _linked(folder):
    (folder / "linked.png").symlink_to("photo.png")


def _copied(folder):
    os.link(folder / "photo.png", folder / "hard.png")


def _photos(*names):
    def make(folder):
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            Image.new("RGB", (9, 9)).save(folder / name)

    return make


OTHER = "choose another name"
PATHS = [
    Case("input: not there", quantize("none.png"), "none.png: cannot be opened: No such file", "check the path"),
    Case("input: an empty name", quantize(""), "'' is not a path", "give the path"),
    Case("input: a name with a zero", lambda folder: dasksom.open_image("a\0b.png"), "is not a path", "give the path"),
    Case("input: a name of 300 letters", quantize("a" * 300 + ".png"), "File name too long", "check the path"),
    Case("input: a name with a new line", quantize("a\nb.png"), "b.png: cannot be opened", "check the path"),
    Case("input: a name that moves the terminal", quantize("a\x1b[2Jb.png"), "\\x1b[2Jb.png", "check the path"),
    Case("input: a name that is no UTF-8", lambda folder: dasksom.open_image(b"a\xff.png"), "a bytes", "a path, a URL"),
    Case("input: below a file", quantize("photo.png/a.png"), "Not a directory", "check the path"),
    Case("input: somebody who is not there", quantize("~nobody-at-all/a.png"), "~nobody-at-all",
         "write the folder out"),
    Case("input: a pipe", quantize("pipe.png"), "pipe.png: is neither a file", "give an image file",
         lambda folder: os.mkfifo(folder / "pipe.png")),
    Case("input: a device", quantize("/dev/zero"), "/dev/zero: is neither a file", "give an image file"),
    Case("input: a link to itself", quantize("loop.png"), "loop.png: cannot be opened", "check the path",
         lambda folder: (folder / "loop.png").symlink_to("loop.png")),
    Case("input: no image at all", lambda folder: dasksom.open_image(5), "int", "path"),
    Case("url: ftp", quantize("ftp://me:word@host/a.zarr"), "ftp://host/a.zarr: URLs of ftp://", "s3://"),
    Case("url: a chain", quantize("simplecache::s3://bucket/a.zarr"), "a.zarr", "a"),
    Case("url: a file of another machine", quantize("file://host/a.png"), "file://host/a.png: is not a local path",
         "a disk that every worker sees"),
    Case("url: in memory", quantize("memory://a.zarr"), "URLs of memory://", "accepted are local paths"),
    Case("url: nobody listens", quantize("http://me:word@127.0.0.1:9/a.tif?sig=abcdef"), "http://127.0.0.1:9/a.tif",
         "check the URL"),
    Case("url: options that are no JSON", lambda folder: dasksom.open_image("s3://b/a.tif", storage={"key": b"x"}),
         "storage",
         "text, numbers, lists and mappings"),
    Case("output: no format", quantize("photo.png", output="out.xyz"), "out.xyz: its name does not say",
         ".ome.zarr, .png"),
    Case("output: exists", quantize("photo.png"), "out.zarr: exists already", "--overwrite", _there()),
    Case("output: a file that is no Zarr", quantize("photo.png", "--overwrite"), "never deleted", OTHER, _there()),
    Case("output: a folder that is no Zarr", quantize("photo.png", "--overwrite"), "not a Zarr store of its own", OTHER,
         lambda folder: (folder / "out.zarr").mkdir()),
    Case("output: a folder that links elsewhere", quantize("photo.png", "--overwrite"), "never deleted", OTHER,
         lambda folder: (folder / "out.zarr").symlink_to("scene.zarr")),
    Case("output: in no folder", quantize("photo.png", output="missing/out.png"), "there is no folder", "mkdir -p"),
    Case("output: below a file", quantize("photo.png", output="good.tif/out.png"), "there is no folder", "create it"),
    Case("output: the input", quantize("photo.png", "--overwrite", output="photo.png"), "is the input itself", OTHER),
    Case("output: the input by another way", quantize("photo.png", "--overwrite", output="scene.zarr/../photo.png"),
         "is the input itself", OTHER),
    Case("output: a link to the input", quantize("photo.png", "--overwrite", output="linked.png"),
         "is the input itself", OTHER,
         _linked),
    Case("output: a hard link to the input", quantize("photo.png", "--overwrite", output="hard.png"),
         "is the input itself",
         OTHER, _copied),
    Case("output: in the input", quantize("scene.zarr", output="scene.zarr/out.zarr"), "is inside the input",
         "another folder"),
    Case("output: around the input", quantize("big.zarr/scene.zarr", "--overwrite", output="big.zarr"),
         "contains the input",
         OTHER, lambda folder: zarr.create_group(folder / "big.zarr").create_array("scene.zarr", data=np.ones((9, 9,
         3), "u1"))),
    Case("output: the mask", quantize("photo.png", "--mask", "good.tif", "--overwrite", output="good.tif"),
         "is the input itself", OTHER),
    Case("output: the map", ("quantize", "photo.png", "map.npz", "--model", "map.npz", "--overwrite"),
         "map.npz: its name does not say",
         ".ome.zarr, .png"),
    Case("output: a PNG of floats", quantize("scene.zarr", output="out.png"), "float32 of 3 bands",
         "write .tif or .zarr"),
    Case("output: a JPEG of five bands", quantize("five.zarr", output="out.jpg"), "5 bands", "write .tif or .zarr"),
    Case("output: labels in a PNG alone", quantize("photo.png", "--no-image", output="out.png"), "--no-image",
         "are written to .ome.zarr, .tif, .tiff, .zarr"),
    Case("output: a palette of 400 colors",
         ("quantize", "photo.png", "out.tif", "--grid", "20x20", "--pixels", "palette"), "400 colors", "--pixels"),
    Case("output: on a store that is none", quantize("photo.png", output="ftp://host/out.zarr"), "ftp://",
         "accepted are"),
    Case("mask: of another size", quantize("photo.png", "--mask", "a.png"), "a mask of 12 x 9 pixels", "the same size",
         lambda folder: Image.new("L", (9, 12)).save(folder / "a.png")),
    Case("summary: in no folder", quantize("photo.png", "--summary", "missing/a.json"), "there is no folder",
         "create it"),
    Case("summary: a folder", quantize("photo.png", "--summary", "scene.zarr"), "scene.zarr: is a directory",
         "name of a file"),
    Case("summary: the input", quantize("photo.png", "--summary", "photo.png"), "is the input itself", OTHER),
    Case("report: exists", quantize("photo.png", "--report"), "out.report.html: exists already", "--overwrite",
         _there("out.report.html")),
    Case("report: of a JPEG", quantize("photo.png", "--report", output="out.jpg"), "out.jpg: labels and palette",
         ".tif"),
    Case("report: of nothing", ("report", "none.zarr"), "none.zarr: cannot be opened", "check the path"),
    Case("report: of an image", ("report", "photo.png"), "photo.png: holds no ", ".zarr"),
    Case("report: of a Zarr of somebody else", ("report", "scene.zarr"), "scene.zarr: not an output",
         "labels and a palette"),
    Case("report: of a TIFF of somebody else", ("report", "good.tif"), "good.tif: holds no palette", "write .zarr"),
    Case("report: with pickle in it", ("report", "out.zarr"), "'numcodecs.pickle', which runs", "with zstd",
         lambda folder: _output_with_pickle(folder)),
    Case("report: of another suffix", ("report", "scene.zarr", "a.txt"), "a.txt: its name does not say", ".html"),
    Case("train: another suffix", ("train", "photo.png", "map.txt"), "map.txt", ".npz"),
    Case("train: exists", ("train", "photo.png", "map.npz"), "map.npz: exists already", "--overwrite"),
    Case("train: images of different bands", ("train", "photo.png", "five.zarr", "new.npz"), "5", "3", early=False),
    Case("apply: two of one name", ("apply", "map.npz", "x/a.png", "y/a.png", "out"), "would both be written",
         "rename one",
         _photos("x/a.png", "y/a.png")),
    Case("apply: an unknown suffix", ("apply", "map.npz", "photo.png", "out", "--format", ".gif"), "--format .gif",
         ".ome.zarr"),
    Case("apply: a file for a folder", ("apply", "map.npz", "photo.png", "photo.png/out", "--format", ".png"),
         "photo.png/out",
         "no folder"),
    Case("apply: a report of several", ("apply", "map.npz", "photo.png", "out", "--format", ".png", "--report"),
         "--report",
         "remove them"),
    Case("apply: of several to a store", ("apply", "map.npz", "photo.png", "good.tif", "s3://bucket/out"),
         "s3://bucket/out",
         "one image at a time"),
    Case("quantize: into the folder where one is", ("quantize", "photo.png", "."), ".: its name does not say",
         ".png"),
    Case("apply: into the folder where one is", ("apply", "map.npz", "photo.png", "."), ".: its name does not say",
         ".png"),
    Case("resume: the root", ("resume", "/"), "/: no output of a run", ".zarr"),
    Case("resume: an input", ("resume", "photo.xyz"), "photo.xyz: no output of a run", ".npz", _there("photo.xyz")),
    Case("apply: other bands", ("apply", "map.npz", "five.zarr", "out.zarr"), "five.zarr: has 5 bands", "--bands"),
    Case("palette: bands that are no numbers", ("palette", "map.npz", "a.gpl", "--bands", "x"), "--bands x",
         "0 to 2, without names"),
    Case("palette: bands that are none", ("palette", "map.npz", "a.gpl", "--bands", "9"), "--bands 9", "0 to 2"),
    Case("palette: an unknown suffix", ("palette", "map.npz", "a.xyz"), "a.xyz: no kind of palette", ".gpl"),
    Case("palette: exists", ("palette", "map.npz", "a.gpl"), "a.gpl: exists already", "--overwrite", _there("a.gpl")),
    Case("palette: 400 colors for Adobe", ("palette", "big.npz", "a.act"), "the map has 400", "write .gpl",
         lambda folder: _model(folder, np.ones((20, 20, 3)), name="big.npz")),
    Case("palette: five bands", ("palette", "big.npz", "a.gpl"), "the map has 5 bands", "--bands",
         lambda folder: _model(folder, np.ones((2, 2, 5)), name="big.npz")),
]  # fmt: skip


def _output_with_pickle(folder):
    group = zarr.create_group(folder / "out.zarr", attributes={"dasksom": {"metadata": {}}})
    for name, shape in (("palette", (4, 3)), ("labels", (9, 9))):
        group.create_array(name, data=np.ones(shape, np.uint8))
    changed(folder / "out.zarr/palette/zarr.json", codecs=[{"name": "bytes"}, {"name": "numcodecs.pickle"}])


# -------------------------------------------------------------------------------------------------------------- models


def _model(folder, weights, about=None, name="a.npz", **entries):
    told = {"format": 1} if about is None else about
    content = told if isinstance(told, bytes) else json.dumps(told).encode()
    np.savez(folder / name, weights=weights, about=np.frombuffer(content, np.uint8), **entries)


def _models(*arguments, **options):
    return lambda folder: _model(folder, *arguments, **options)


def _claims(header):
    """Make a model whose array claims another shape than it has."""

    def make(folder):
        _model(folder, np.ones((2, 2, 3)))
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": header})
        with zipfile.ZipFile(folder / "a.npz", "w") as archive:
            archive.writestr("weights.npy", file.getvalue() + bytes(96))
            archive.writestr("about.npy", b"")

    return make


def _bomb(folder):
    """Make a model whose directory claims a gigabyte and a byte of decompressed numbers."""
    _model(folder, np.ones((2, 2, 3)))
    content = bytearray((folder / "a.npz").read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (1 + (1 << 30)).to_bytes(4, "little")
    (folder / "a.npz").write_bytes(content)


def _elsewhere(folder):
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        archive.writestr("../../weights.npy", b"x")


class _Canary:
    def __reduce__(self):
        return (open, ("canary", "w"))


APPLY = ("apply", "a.npz", "photo.png", "out.png")
NO_MODEL, WRITES = "a.npz: not a dasksom model", "`dasksom train` writes them"
GOOD = np.ones((2, 2, 3))
MODELS = [
    Case("model: not there", APPLY, "a.npz: no such model file", "dasksom train"),
    Case("model: a folder", APPLY, "a.npz: no such model file", "dasksom train",
         lambda folder: (folder / "a.npz").mkdir()),
    Case("model: empty", APPLY, NO_MODEL, WRITES, lambda folder: (folder / "a.npz").touch()),
    Case("model: text", APPLY, NO_MODEL, WRITES, lambda folder: (folder / "a.npz").write_text("no model")),
    Case("model: a pickle", APPLY, NO_MODEL, WRITES,
         lambda folder: (folder / "a.npz").write_bytes(pickle.dumps(_Canary()))),
    Case("model: objects", APPLY, "an array of object", WRITES,
         lambda folder: np.savez(folder / "a.npz", weights=np.array([_Canary()], object), about=np.zeros(1))),
    Case("model: half of it", APPLY, NO_MODEL, WRITES,
         lambda folder: (_model(folder, GOOD), os.truncate(folder / "a.npz", 300))),
    Case("model: other arrays", APPLY, NO_MODEL, WRITES, lambda folder: np.savez(folder / "a.npz", x=GOOD)),
    Case("model: an array of 2^50 numbers", APPLY, "(1073741824, 1048576, 3)", WRITES, _claims((1 << 30, 1 << 20, 3))),
    Case("model: an array of a negative length", APPLY, "(-2, -2, 3)", WRITES, _claims((-2, -2, 3))),
    Case("model: more than a gigabyte", APPLY, "2 entries of 107374", "at most 1073741824", _bomb),
    Case("model: a path that leads outside", APPLY, "'../../weights.npy'", WRITES, _elsewhere),
    Case("model: not told how", APPLY, NO_MODEL, WRITES, _models(GOOD, b"{")),
    Case("model: told by a list", APPLY, NO_MODEL, WRITES, _models(GOOD, [1])),
    Case("model: told 20,000 deep", APPLY, NO_MODEL, WRITES, _models(GOOD, b"[" * 20_000)),
    Case("model: of a format of tomorrow", APPLY, "a model of format 99", "reads format 1", _models(GOOD,
         {"format": 99})),
    Case("model: of no format", APPLY, NO_MODEL, WRITES, _models(GOOD, {})),
    Case("model: NaN", APPLY, "a.npz: a codebook holds finite", "finite numbers up to", _models(GOOD * np.nan)),
    Case("model: infinity", APPLY, "a.npz: a codebook holds finite", "finite numbers up to", _models(GOOD * np.inf)),
    Case("model: two axes", APPLY, "got (2, 3)", "(rows, columns, bands)", _models(np.ones((2, 3)))),
    Case("model: no units", APPLY, "got (0, 2, 3)", "none of them 0", _models(np.ones((0, 2, 3)))),
    Case("model: integers", APPLY, "int64", "floating point", _models(np.ones((2, 2, 3), int))),
    Case("model: text for numbers", APPLY, "an array of <U1", "floating point", _models(np.array([[["a"]]]))),
    Case("model: parameters in a list", APPLY, "[3]", "train it again", _models(GOOD, {"format": 1,
         "parameters": [3]})),
    Case("model: a topology of tomorrow", APPLY, "'topology'", "'hexagonal'",
         _models(GOOD, {"format": 1, "parameters": {"topology": "cube"}})),
    Case("model: 10^12 epochs", APPLY, "'epochs'", "to 1000000",
         _models(GOOD, {"format": 1, "parameters": {"epochs": 10**12}})),
    Case("info: no model", ("info", "a.npz"), NO_MODEL, WRITES, lambda folder: (folder / "a.npz").write_text("x")),
    Case("info: no image", ("info", "none.png"), "none.png: cannot be opened", "check the path"),
]  # fmt: skip

# --------------------------------------------------------------------------------------------------------- checkpoints


def _goes_on(folder):
    image = dasksom.open_image(folder / "scene.zarr")
    BatchSOM(2, 2, epochs=1).fit(image, checkpoint=folder / "kept")


def _kept(name, content):
    def make(folder):
        (folder / "kept").mkdir()
        (folder / "kept" / name).write_bytes(content)

    return make


CHECKPOINTS = [
    Case("checkpoint: of another training", _goes_on, "kept: checkpoints of another training", "delete the folder",
         lambda folder: Checkpoint(folder / "kept", {"epochs": "9"})),
    Case("checkpoint: other files", _goes_on, "holds other files (mine.txt)", "for checkpoints only",
         _kept("mine.txt", b"precious")),
    Case("checkpoint: a file for a folder", _goes_on, "the folder for checkpoints", "kept",
         lambda folder: (folder / "kept").write_text("mine")),
    Case("checkpoint: a record of something else", _goes_on, "identity.record was not written by dasksom",
         "delete the folder",
         _kept("identity.record", pack((1, 2)))),
    Case("checkpoint: of an array in memory", lambda folder: BatchSOM(2, 2).fit(GOOD, checkpoint=folder / "kept"),
         "checkpoint", "dask arrays"),
]  # fmt: skip

CASES = [*PATHS, *MODELS, *CHECKPOINTS]
