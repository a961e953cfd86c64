"""The images that a path names: itself, or those of a folder of images."""

from __future__ import annotations

import os

from dasksom.errors import InputError
from dasksom.image.formats import READERS
from dasksom.image.locations import is_remote
from dasksom.image.paths import local_path
from dasksom.image.reading import open_source
from dasksom.image.zarr_stores import is_zarr


def images_in(path: str | os.PathLike[str]) -> list[str]:
    """Return the paths of the images that a path names.

    Parameters
    ----------
    path : of an image, also a Zarr directory or a folder of tiles that make one; or of a folder of images

    Returns
    -------
    list of str
        The path itself, or the images in the folder, by name.
    """
    if is_remote(path):
        return [os.fspath(path)]
    folder = local_path(path)
    if not folder.is_dir() or is_zarr(folder):
        return [os.fspath(path)]
    found = sorted(
        str(one)
        for one in folder.iterdir()
        if not one.name.startswith(".") and (is_zarr(one) if one.is_dir() else one.suffix.lower() in READERS)
    )
    try:
        open_source(folder)  # tiles that make one image
    except InputError:
        return found or [os.fspath(path)]
    return [os.fspath(path)]
