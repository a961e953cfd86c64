"""Find the files of the bands of one image: those of a folder, or of a Sentinel-2 product (.SAFE)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from dasksom.errors import InputError
from dasksom.image.read_formats import FILE_OPENERS
from dasksom.storage.local_paths import is_sentinel_product, local_path
from dasksom.storage.locations import is_remote
from dasksom.storage.zarr_nodes import is_zarr

_SENTINEL_BAND = re.compile(r"_B(\d{1,2})(A?)(?:_(\d+)m)?$")
_SEPARATORS = re.compile(r"([_\-. ])")


def is_folder_of_files(path: Path) -> bool:
    """Return whether a path is a folder of files, and not a Zarr."""
    return path.is_dir() and not is_zarr(path) and not path.name.lower().endswith(".zarr")


def files_of(image: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return the paths of the files of a stack: those given, with the files of folders in place of folders.

    Raises
    ------
    InputError
        A folder holds no images, or no file is given.
    """
    given = [image] if isinstance(image, (str, os.PathLike)) else list(image)
    paths: list[str] = []
    for path in given:
        if not isinstance(path, (str, os.PathLike)):
            raise InputError(
                f"a list with a {type(path).__name__}: a list of paths of the bands of one image is accepted"
            )
        folder = None if is_remote(path) else local_path(path)
        is_folder = folder is not None and is_folder_of_files(folder)
        paths += map(str, files_in(folder)) if folder is not None and is_folder else [os.fspath(path)]
    if not paths:
        raise InputError("no files: a list of paths of the bands of one image has at least one")
    return paths


def files_in(folder: Path) -> list[Path]:
    """Return the files of the bands in a folder, in natural order (B2 before B10).

    They are the images with the most frequent suffix, in a Sentinel-2 product its bands in their finest resolution.

    Raises
    ------
    InputError
        The folder holds no images.
    """
    if is_sentinel_product(folder):
        return _sentinel_bands(folder)
    suffixes: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        suffix = ".zarr" if is_zarr(path) else path.suffix.lower()
        if suffix in FILE_OPENERS and not path.name.startswith(".") and (suffix == ".zarr" or path.is_file()):
            suffixes.setdefault(suffix, []).append(path)
    found = max(suffixes.values(), key=len, default=[])
    if not found:
        raise InputError(f"{folder}: no images in this folder; --stack takes files of bands, or a folder of them")
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdecimal() else (1, part.lower()) for part in re.split(r"(\d+)", path.name)]


def _sentinel_bands(product: Path) -> list[Path]:
    granules = sorted(path for path in (product / "GRANULE").glob("*/IMG_DATA") if path.is_dir())
    if len(granules) != 1:
        raise InputError(
            f"{product}: a Sentinel-2 product of {len(granules)} granules (GRANULE/*/IMG_DATA); one is needed: give "
            "the files of the bands of one granule with --stack"
        )
    finest: dict[tuple[int, str], tuple[int, Path]] = {}
    for path in sorted(granules[0].rglob("*")):
        band = _SENTINEL_BAND.search(path.stem)
        if band is None or path.suffix.lower() not in FILE_OPENERS:
            continue
        key, meters = (int(band[1]), band[2]), int(band[3] or 0)
        if key not in finest or meters < finest[key][0]:
            finest[key] = meters, path
    if not finest:
        raise InputError(f"{granules[0]}: no bands in this granule, such as ..._B02.jp2 or R10m/..._B02_10m.jp2")
    return [finest[key][1] for key in sorted(finest)]


def names_of_files(paths: Sequence[str]) -> list[str]:
    """Return names of bands from the names of their files, without the parts that all of them share.

    Examples
    --------
    >>> names_of_files(["T31_B02_10m.jp2", "T31_B08_10m.jp2"])
    ['B02', 'B08']
    >>> names_of_files(["CD3.tif", "CD45.tif"])
    ['CD3', 'CD45']
    """
    stems = [re.sub(r"\.(ome|tiff?|zarr)$", "", PurePath(path).stem, flags=re.IGNORECASE) for path in paths]
    sentinel = [_SENTINEL_BAND.search(stem) for stem in stems]
    bands = [f"B{band[1]}{band[2]}" for band in sentinel if band is not None]
    if len(bands) == len(stems) == len(set(bands)):
        return bands
    parts = [_SEPARATORS.split(stem) for stem in stems]
    while len(stems) > 1 and all(len(part) > 2 for part in parts) and len({tuple(part[:2]) for part in parts}) == 1:
        parts = [part[2:] for part in parts]
    while len(stems) > 1 and all(len(part) > 2 for part in parts) and len({tuple(part[-2:]) for part in parts}) == 1:
        parts = [part[:-2] for part in parts]
    return ["".join(part) for part in parts]
