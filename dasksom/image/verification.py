"""Verify the files of an output against the checksums that were recorded when it was written."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dasksom.errors import InputError
from dasksom.storage.checksum_manifests import MANIFEST, read_manifest, sum_of_file
from dasksom.storage.embedded_checksums import sealed_sum
from dasksom.storage.local_paths import check_readable, listed, local_path, match_suffix
from dasksom.storage.locations import Location, file_system, is_remote, locate

_THREADS = 8
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Checked:
    """Result of checking one file of an output."""

    name: str
    problem: str | None
    """None if the file matches."""


def verify(path: str, storage: Mapping[str, Any] | None = None) -> Iterator[Checked]:
    """Verify every file of an output against the checksums that were recorded when it was written.

    Parameters
    ----------
    path : path or URL of an output of `quantize`, `apply` or `train`
    storage : options of the store's file system (fsspec)

    Yields
    ------
    Checked
        One for each file, sorted by name, including missing and unexpected files.

    Raises
    ------
    InputError
        It is not an output of dasksom, or has no checksums.
    """
    if is_remote(path):
        return _verify_zarr(locate(path.rstrip("/"), storage))
    local = local_path(path).absolute()
    check_readable(local)
    if local.is_dir():
        return _verify_zarr(Location(str(local)))
    checker = match_suffix(local, CHECKERS)
    if checker is None:
        raise InputError(f"{local}: is not an output of dasksom; they end in {listed([*CHECKERS, '.zarr'])}")
    return iter([Checked(str(local), checker(local))])


def _verify_zarr(root: Location) -> Iterator[Checked]:
    try:
        manifest = root.below(MANIFEST)
        lines = manifest.read(0, int(manifest.stamp()[0])).splitlines(keepends=True)
    except InputError:
        raise
    except Exception as error:
        raise root.refusal(
            f"has no file {MANIFEST} ({error}): it is no Zarr output of dasksom, or that file is lost"
        ) from None
    try:
        recorded = dict(read_manifest(lines))
    except ValueError as error:
        return iter([Checked(MANIFEST, f"is not what was written: {error}")])
    present = set(_files(root)) - {MANIFEST}
    names = sorted(recorded.keys() | present)

    def check(name: str) -> Checked:
        if name not in present:
            return Checked(name, "is missing")
        if name not in recorded:
            return Checked(name, "does not belong here")
        return Checked(name, None if _sum(root.below(name)) == recorded[name] else "is not what was written")

    def checked() -> Iterator[Checked]:
        with ThreadPoolExecutor(_THREADS) as pool:
            yield from pool.map(check, names)

    return checked()


def _files(root: Location) -> Iterator[str]:
    if root.remote:
        system, path = file_system(root)
        system.invalidate_cache()
        yield from (name.removeprefix(f"{path}/") for name in system.find(path))
        return
    for one in root.local.rglob("*"):
        if one.is_symlink() or not one.is_dir():
            yield one.relative_to(root.local).as_posix()


def _sum(location: Location) -> str:
    if location.remote:
        system, path = file_system(location)
        return hashlib.sha256(system.cat_file(path)).hexdigest()
    return sum_of_file(location.local)


def _check_sealed(path: Path) -> str | None:
    found = sealed_sum(path)
    if found is None:
        return "holds no checksum of dasksom: it was not written by it, or is damaged"
    return None if found[0] == found[1] else "is not what was written"


def _check_png(path: Path) -> str | None:
    """Verify the CRC of every chunk of a PNG (ISO/IEC 15948), and that it has the text that `quantize` writes."""
    data = memoryview(path.read_bytes())
    at, is_output = len(_PNG_SIGNATURE), False
    if data[:at] != _PNG_SIGNATURE:
        return "is no PNG, or is damaged at its beginning"
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        kind, end = bytes(data[at + 4 : at + 8]), at + 8 + length
        if end + 4 > len(data) or zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            return f"is not what was written, from byte {at} on"
        is_output |= kind in (b"tEXt", b"iTXt") and bytes(data[at + 8 : at + 16]) == b"dasksom\0"
        at = end + 4
        if kind == b"IEND" and not is_output:
            return "holds no record of dasksom: it was not written by it"
        if kind == b"IEND":
            return None if at == len(data) else f"holds more data after its end, byte {at}"
    return "is cut off"


CHECKERS: dict[str, Callable[[Path], str | None]] = {
    ".jpeg": _check_sealed,
    ".jpg": _check_sealed,
    ".npz": _check_sealed,
    ".png": _check_png,
    ".tif": _check_sealed,
    ".tiff": _check_sealed,
}
"""Functions by suffix; each returns the problem of a file, or None."""
