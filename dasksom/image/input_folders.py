"""Resolve a path to images: the path itself, or the images in a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dasksom.errors import InputError
from dasksom.image.mosaics.tile_folder import names_a_mosaic
from dasksom.image.mosaics.vrt import files_of_vrt
from dasksom.image.read_formats import FILE_OPENERS
from dasksom.image.sources.picture import Picture
from dasksom.image.stacks.band_files import is_folder_of_files
from dasksom.storage.local_paths import is_sentinel_product, local_path, match_suffix
from dasksom.storage.locations import Location, is_remote, shown
from dasksom.storage.zarr_nodes import is_zarr


def images_in(path: str | os.PathLike[str]) -> list[str]:
    """Return the paths of the images that a path refers to.

    Parameters
    ----------
    path : path of an image (a file, a Zarr directory or a folder of the tiles of one image), or of a folder of images

    Returns
    -------
    list of str
        The path itself, or the images in the folder, sorted by name. Files that are parts of a .vrt in the folder are
        left out, because the .vrt is the image.
    """
    if is_remote(path):
        return [os.fspath(path)]
    folder = local_path(path)
    if not folder.is_dir() or is_zarr(folder) or is_sentinel_product(folder):
        return [os.fspath(path)]
    if names_a_mosaic(folder):
        return [os.fspath(path)]
    paths = [one for one in folder.iterdir() if not one.name.startswith(".")]
    mosaics = [one for one in paths if one.suffix.lower() == ".vrt" and one.is_file()]
    images = [one for one in paths if (is_zarr(one) if one.is_dir() else match_suffix(one, FILE_OPENERS))]
    parts = {part for mosaic in mosaics for part in _parts_of(mosaic)}
    images_and_mosaics = {*mosaics, *(one for one in images if _real(one) not in parts)}
    return sorted(map(str, images_and_mosaics)) or [os.fspath(path)]


def image_groups(paths: Sequence[str], stack: bool) -> list[tuple[str, ...]]:
    """Return the paths of each image.

    Parameters
    ----------
    paths : as given; see `images_in`
    stack : whether the files are bands of one image; then each folder of files is one image, too

    Raises
    ------
    InputError
        Files and folders are mixed in a stack.
    """
    if not stack:
        return [(path,) for given in paths for path in images_in(given)]
    folders = [not is_remote(path) and is_folder_of_files(local_path(path)) for path in paths]
    if any(folders) and not all(folders):
        raise InputError(
            f"--stack: {shown(paths[folders.index(True)])} is a folder, and {shown(paths[folders.index(False)])} not; "
            "give the files of the bands of one image, or folders that hold one image each"
        )
    return [(path,) for path in paths] if any(folders) else [tuple(paths)]


def masks_of_images(images: int, masks: Sequence[str]) -> list[str | None]:
    """Return the path of the mask of each image; None for images without one.

    Parameters
    ----------
    images : number of images
    masks : paths of none, one for all images, or one for each image in their order; a folder means every image in it

    Raises
    ------
    InputError
        There are neither one mask nor as many as images.
    """
    paths = [path for one in masks for path in images_in(one)]
    if len(paths) not in (0, 1, images):
        raise InputError(
            f"--mask {shown(masks[0])}: {len(paths)} masks are given for {images} image{'s' * (images > 1)}; give one "
            "for all images, or one for each, in their order"
        )
    return [*paths] if len(paths) == images else [*paths, None][:1] * images


def check_folder(folder: str | os.PathLike[str], given: Sequence[str], outputs: Mapping[str, Sequence[str]]) -> None:
    """Refuse an output folder in which outputs would replace inputs, or be read as inputs by the next run.

    Parameters
    ----------
    folder : output folder
    given : input paths: images, and folders of images
    outputs : maps the path of each output to the paths of the image that it is made from

    Raises
    ------
    InputError
    """
    place = _real(folder)
    if any(_real(one) == place for one in given if not is_remote(one)):
        raise InputError(f"{folder}: is the folder that is read; name another one for the outputs")
    sources = {_real(source) for paths in outputs.values() for source in paths if not is_remote(source)}
    for output in outputs:
        if _real(output) in sources:
            raise InputError(f"{output}: is one of the images that are read; name another folder for the outputs")


def check_alike(paths: Sequence[str], pictures: Sequence[Picture]) -> None:
    """Refuse images that differ in number of bands or dtype, because one map cannot be trained on them.

    Raises
    ------
    InputError
    """
    kinds = [(one.pixels.shape[2], one.pixels.dtype) for one in pictures]
    for path, (bands, dtype) in zip(paths, kinds, strict=True):
        if (bands, dtype) != kinds[0]:
            first = f"{shown(paths[0])} has {kinds[0][0]} of {kinds[0][1]}"
            raise InputError(
                f"{shown(path)}: has {bands} bands of {dtype}, and {first}; one map is trained on images of one "
                "kind: leave one of them out, or convert it"
            )


def _parts_of(mosaic: Path) -> set[str]:
    """Return the real paths of the files of a .vrt; empty if it cannot be used, which opening it reports."""
    try:
        return set(map(_real, files_of_vrt(Location(str(mosaic)))))
    except InputError:
        return set()


def _real(path: str | os.PathLike[str]) -> str:
    return os.path.realpath(local_path(path))
