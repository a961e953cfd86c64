"""Results on object stores: refused beforehand where they cannot be written, and found there only when whole."""

from __future__ import annotations

import os
import posixpath
import re
import secrets
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dasksom.errors import InputError
from dasksom.storage.local_paths import listed, local_path
from dasksom.storage.locations import Location, is_remote, locate, shown
from dasksom.storage.publish.object_store_run import BEAT_SECONDS, StoreRun, unfinished_at
from dasksom.storage.publish.own_objects import check_free, check_writable, put_new
from dasksom.storage.publish.run_folder import RunFolder, run_folder
from dasksom.storage.records import is_worth_keeping, tell_how_to_go_on, told_of

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
def run_on_store(location: Location, *, overwrite: bool, resume: bool) -> Iterator[StoreRun]:
    """Hold a place on an object store to write a Zarr to, which can be opened once all went well.

    Where something failed, what was written stays if there are records to go on from. An older output stays until the
    place is cleared.

    Parameters
    ----------
    location : where the output will lie
    overwrite : an output, or an unfinished one, may be replaced
    resume : go on with the run that is there

    Raises
    ------
    InputError
        If another process has the run, or there is none to go on with, or one that was not asked to.
    """
    found = unfinished_at(location, overwrite)
    if found is not None and found.is_live():
        raise location.refusal(
            f"another run is making it ({told_of(found.owner())}); wait for it, stop it, or choose another name"
        )
    if resume and found is None:
        raise location.refusal("no run was begun there, or its output is whole; there is nothing to go on with")
    if not resume:
        check_free(location, overwrite)
    check_writable(location)
    unfinished = found if resume and found is not None else StoreRun(location, secrets.token_hex(8), overwrite)
    with unfinished.claimed(), _beating(unfinished):
        try:
            yield unfinished
            unfinished.finish()
        except BaseException as error:
            if is_worth_keeping(unfinished.records):
                tell_how_to_go_on(error, location.name)
            else:
                unfinished.sweep()
            raise


def unfinished_run(output: str, storage: Mapping[str, Any], suffixes: tuple[str, ...]) -> RunFolder | StoreRun:
    """Return what a run that was stopped has left of an output, wherever that lies.

    Raises
    ------
    InputError
        If there is nothing.
    """
    if is_remote(output):
        location = locate_output(output, storage)
        unfinished = unfinished_at(location, overwrite=False)
        if unfinished is None:
            raise location.refusal("no run was begun there, or its output is whole; there is nothing to go on with")
        return unfinished
    final = local_path(output).absolute()
    if not final.name.lower().endswith(suffixes):
        raise InputError(f"{final}: no output of a run has such a name; they end in {listed(suffixes)}")
    run = RunFolder(final, run_folder(final))
    if not run.folder.is_dir():
        found = "is whole" if os.path.lexists(final) else "no run was begun there, or it was stopped within seconds"
        raise InputError(f"{final}: {found}; there is nothing to go on with")
    return run


@contextmanager
def _beating(unfinished: StoreRun) -> Iterator[None]:
    """Show that the run goes on, for other machines cannot see its process."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            with suppress(InputError):  # the run itself will meet it
                unfinished.own()

    unfinished.own()
    thread = threading.Thread(target=beat, name="dasksom-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def publish_object(location: Location, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a local path to write a small file to, which becomes an object, in one step, once all went well."""
    if not overwrite and location.exists():
        raise location.refusal("exists already; choose another name, or replace it with overwrite=True (--overwrite)")
    check_writable(location)
    with tempfile.TemporaryDirectory(prefix="dasksom-") as folder:
        local = Path(folder, location.file_name)
        yield local
        if overwrite:
            location.write(local.read_bytes())
        else:
            put_new(location, "", local.read_bytes())


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
