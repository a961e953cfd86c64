"""Publish outputs on object stores: check that they can be written, and make them visible when complete."""

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
from dasksom.storage.locations import Location, file_system, is_remote, locate, shown
from dasksom.storage.publish.object_store_run import BEAT_SECONDS, StoreRun, unfinished_at
from dasksom.storage.publish.own_objects import (
    CLAIM,
    check_free,
    check_writable,
    delete_keys,
    put_new,
    unwritable,
)
from dasksom.storage.publish.run_folder import RunFolder, run_folder
from dasksom.storage.records import add_resume_hint, describe_owner, is_worth_keeping
from dasksom.storage.zarr_nodes import ZARR_METADATA

WRITABLE = ("s3", "gs", "abfs")
"""URL schemes of the stores that can be written to."""
_PLAIN = re.compile(r"[^*?\[\]#]+")
"""Excludes characters that fsspec expands as patterns or that end a URL's path: wrong objects could be deleted."""


def locate_output(
    url: str, storage: Mapping[str, Any], *, inputs: Iterable[str] = (), suffixes: tuple[str, ...] = (".zarr",)
) -> Location:
    """Return the location of an output on an object store, without access to the store.

    Parameters
    ----------
    url : URL of the output
    storage : options of the store's file system (fsspec)
    inputs : paths that the run reads; the output must not equal, contain or be inside any of them
    suffixes : accepted suffixes

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
        raise InputError(f"{name}: is a bucket; name an output inside it")
    for given in inputs:
        if is_remote(given):
            _check_apart(location, given)
    return location


@contextmanager
def run_on_store(location: Location, *, overwrite: bool, resume: bool) -> Iterator[StoreRun]:
    """Reserve a location on an object store for a Zarr, and publish it on success.

    After a failure, the unfinished output stays if there are records to resume from. An older output stays until
    `StoreRun.clear_place` is called.

    Parameters
    ----------
    location : location of the output
    overwrite : an existing output, or an unfinished one, may be replaced
    resume : resume the unfinished run at the location

    Raises
    ------
    InputError
        Another process has the run; there is no run to resume; or there is one and `resume` is False.
    """
    earlier = unfinished_at(location, overwrite)
    if earlier is not None and earlier.is_live():
        raise location.refusal(
            f"another run is writing it ({describe_owner(earlier.owner())}); wait for it, stop it, or choose "
            "another name"
        )
    if resume and (earlier is None or _is_published(earlier)):
        raise location.refusal("there is no run to resume: none was started there, or its output is complete")
    if not resume:
        check_free(location, overwrite)
    check_writable(location)
    unfinished = earlier if resume and earlier is not None else StoreRun(location, secrets.token_hex(8), overwrite)
    with unfinished.claimed(), _beating(unfinished):
        try:
            yield unfinished
            unfinished.finish()
        except BaseException as error:
            if is_worth_keeping(unfinished.records):
                add_resume_hint(error, location.name)
            else:
                unfinished.delete_written()
            raise


def unfinished_run(output: str, storage: Mapping[str, Any], suffixes: tuple[str, ...]) -> RunFolder | StoreRun:
    """Return the unfinished run of an output, on disk or on a store.

    Raises
    ------
    InputError
        There is none.
    """
    if is_remote(output):
        location = locate_output(output, storage)
        unfinished = unfinished_at(location, overwrite=False)
        if unfinished is None:
            raise location.refusal("there is no run to resume: none was started there, or its output is complete")
        return unfinished
    final = local_path(output).absolute()
    if not final.name.lower().endswith(suffixes):
        raise InputError(f"{final}: no output of a run has such a name; they end in {listed(suffixes)}")
    run = RunFolder(final, run_folder(final))
    if not run.folder.is_dir():
        state = "is complete" if os.path.lexists(final) else "no run was started there, or it ended within seconds"
        raise InputError(f"{final}: {state}; there is no run to resume")
    return run


def _is_published(run: StoreRun) -> bool:
    """Return whether a run was killed after the metadata of the root was published; delete what it left."""
    system, path = file_system(run.final)
    try:
        roots = {key: content for key, content in run.metadata().items() if key in ZARR_METADATA}
        if not roots or any(system.cat_file(f"{path}/{key}") != content for key, content in roots.items()):
            return False
        run.delete_folder()
        delete_keys(run.final, [CLAIM])
    except FileNotFoundError:
        return False
    except Exception as error:
        raise unwritable(run.final, error) from None
    return True


@contextmanager
def _beating(unfinished: StoreRun) -> Iterator[None]:
    """Update the owner object regularly: other machines cannot see the run's process."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            with suppress(InputError):  # the run itself will raise it
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
    """Yield a local path for a small file, and upload it as one object on success."""
    if not overwrite and location.exists():
        raise location.refusal("exists already; choose another name, or overwrite it (--overwrite)")
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
                relation = "is" if all(shared) else "is inside" if shared[0] else "contains"
                raise InputError(
                    f"{final}: {relation} the input {shown(given)}; inputs are never changed: choose another name"
                )


def _places(url: str) -> set[tuple[str, ...]]:
    """Return the possible (bucket, key components...) of a URL in any spelling.

    Equal bucket names on two stores cannot be distinguished from two addresses of one store.
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
