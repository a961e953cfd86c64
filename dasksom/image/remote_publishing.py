"""Results on object stores: refused beforehand where they cannot be written, and found there only when whole."""

from __future__ import annotations

import posixpath
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dasksom.errors import InputError
from dasksom.image.locations import Location, is_remote, locate, shown
from dasksom.image.unfinished import Unfinished, check_free, check_writable

WRITABLE = ("s3", "gs", "abfs")
"""Schemes of stores that are written to."""
_PLAIN = re.compile(r"[^*?\[\]#]+")
"""Other characters are patterns to fsspec, or end the path of a URL: others than those meant could be deleted."""


def locate_output(
    url: str, storage: Mapping[str, Any], *, inputs: Iterable[str] = (), suffixes: tuple[str, ...] = (".zarr",)
) -> Location:
    """Return the location of an output on an object store; nothing is asked of the store.

    Parameters
    ----------
    url : where the output will lie
    storage : options of the store's file system (fsspec)
    inputs : what the run reads; the output may not be one of them, inside one of them, or contain one of them
    suffixes : what the name may end in

    Raises
    ------
    InputError
    """
    name = shown(url)
    scheme = urlsplit(name).scheme.lower()
    if scheme not in WRITABLE:
        raise InputError(
            f"{name}: nothing is written to {scheme}://; accepted are local paths and "
            f"{', '.join(f'{known}://' for known in WRITABLE)}"
        )
    location = locate(url.rstrip("/"), storage)
    if not location.file_name.endswith(suffixes):
        raise InputError(
            f"{name}: only {' and '.join(suffixes)} can be written to a store; write the file to a local path, and "
            "copy it there (aws s3 cp, gsutil cp, ...)"
        )
    path = location.path.partition("://")[2]
    if not _PLAIN.fullmatch(path) or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise InputError(f"{name}: an output's URL has no empty parts, no . and .. and none of *?[]#; write it plainly")
    if "/" not in path:
        raise InputError(f"{name}: is a whole bucket; name an output inside it")
    for given in inputs:
        if is_remote(given):
            _check_apart(location, given)
    return location


@contextmanager
def publish_zarr(location: Location, *, overwrite: bool = False) -> Iterator[Unfinished]:
    """Give a place on an object store to write a Zarr to, which can be opened once all went well, and else is deleted.

    An older output stays until `create_writer` begins the new one.
    """
    check_free(location, overwrite)
    check_writable(location)
    unfinished = Unfinished(location, secrets.token_hex(8), overwrite)
    whole = False
    try:
        yield unfinished
        whole = True
        unfinished.finish()
    except BaseException:
        if whole or unfinished.begun():
            unfinished.sweep()
        raise


@contextmanager
def publish_object(location: Location, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a local path to write a small file to, which becomes an object, in one step, once all went well."""
    if not overwrite and location.exists():
        raise location.refusal("exists already; choose another name, or replace it with overwrite=True (--overwrite)")
    check_writable(location)
    with tempfile.TemporaryDirectory(prefix="dasksom-") as folder:
        local = Path(folder, location.file_name)
        yield local
        location.write(local.read_bytes())


def _check_apart(final: Location, given: str) -> None:
    for output in _places(final.path):
        for source in _places(given):
            shared = output[: len(source)] == source, source[: len(output)] == output
            if any(shared):
                relation = "is" if all(shared) else "lies inside" if shared[0] else "contains"
                raise InputError(
                    f"{final}: {relation} the input {shown(given)}; inputs are never changed: choose another name"
                )


def _places(url: str) -> set[tuple[str, ...]]:
    """Return what a URL may be as bucket and parts of a key, however it is spelled.

    Two stores may hold buckets of one name; that cannot be told from two addresses of one store.
    """
    parsed = urlsplit(url)
    host, path = parsed.netloc.rpartition("@")[2].lower(), parsed.path
    if parsed.scheme.lower() in WRITABLE:
        # abfs://container@account/path
        return {(parsed.netloc.partition("@")[0].lower(), *_parts(path)), (host, *_parts(path))}
    parts, labels = _parts(unquote(path)), host.partition(":")[0].split(".")
    of_bucket = {(".".join(labels[:count]), *parts) for count in range(1, len(labels))}
    return {parts, *of_bucket}  # https://store/bucket/key, or https://bucket.store/key


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in posixpath.normpath(f"/{path}").split("/") if part)
