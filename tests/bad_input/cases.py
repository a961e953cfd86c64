"""What a case of the catalogue is, and the folder that each is tried in."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import tifffile
import zarr
from PIL import Image
from skimage import data

from dasksom import BatchSOM


def _nothing(folder):
    pass


@dataclass(frozen=True)
class Case:
    """One thing that cannot be used."""

    name: str
    run: tuple[str, ...] | Callable
    """Words of a command line; or what is called with the folder."""
    found: str
    """What the message says was found: the path, parameter, value."""
    way_out: str
    """What it says is accepted, or is to be done."""
    make: Callable = field(default=_nothing)
    """Makes in the folder what the case is about."""
    early: bool = True
    """Whether it is known before a pixel is read and a cluster started."""
    usage: bool = False
    """Whether click tells it, with a line on how the command is used."""


def make_base(folder):
    """Make a folder with a photograph, a Zarr, a TIFF and a map."""
    pixels = np.ascontiguousarray(data.coffee()[100:140, 200:248])
    Image.fromarray(pixels).save(folder / "photo.png")
    zarr.create_array(folder / "scene.zarr", data=pixels.astype(np.float32), chunks=(20, 24, 3))
    tifffile.imwrite(folder / "good.tif", pixels, photometric="rgb", tile=(16, 16), compression="zlib")
    zarr.create_array(folder / "five.zarr", data=np.ones((8, 8, 5), np.uint8))
    BatchSOM(2, 2, epochs=1).fit(pixels).save(folder / "map.npz")


def quantize(image, *options, output="out.zarr"):
    """Give the words of a run."""
    return ("quantize", image, output, "--grid", "2x2", "--epochs", "1", *options)


def changed(path, **keys):
    """Change keys of a JSON file; those with __ are inside others, None deletes."""
    told = json.loads(path.read_text())
    for key, value in keys.items():
        *outer, last = key.split("__")
        inside = told
        for one in outer:
            inside = inside[int(one) if one.isdigit() else one]
        inside[last] = value
    path.write_text(json.dumps(told))


def tag(path, code, value, page=0):
    """Overwrite the value of a TIFF tag, a number of the type that is there."""
    with tifffile.TiffFile(path) as file:
        found = file.pages[page].tags[code]
        order, offset, kind = file.byteorder, found.valueoffset, {3: "H", 4: "I", 16: "Q"}[int(found.dtype)]
    content = bytearray(path.read_bytes())
    raw = np.array([value], np.dtype(f"{order}{kind}")).tobytes()
    content[offset : offset + len(raw)] = raw
    path.write_bytes(content)
