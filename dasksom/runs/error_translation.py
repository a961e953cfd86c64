"""Translate errors of a run's parts to messages that name the input or output and suggest a remedy."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dask.utils import format_bytes

from dasksom.errors import DasksomError, DeadlyTaskError, InputError
from dasksom.image import Picture, is_remote, run_folder, shown
from dasksom.runs.memory_plan import Plan, chunk_size_text
from dasksom.som.samples import NO_SAMPLES

_REMEDIES = {
    errno.ENOSPC: "the disk is full; make room on it",
    errno.EDQUOT: "the quota is used up; make room",
    errno.EROFS: "the disk is read-only; mount it for writing",
    errno.EACCES: "no permission; change it (chmod, chown)",
    errno.EPERM: "no permission; change it (chmod, chown)",
    errno.EFBIG: "the file would be larger than is allowed here (ulimit -f); raise that limit",
    errno.EMFILE: "too many open files for one process (ulimit -n); raise that limit, or take fewer workers",
    errno.ENFILE: "too many open files on this machine; close programs",
    errno.EIO: "the disk fails; read the system's log (dmesg)",
    errno.ESTALE: "the network disk was unavailable for a moment; try again",
}
"""Descriptions of errors of the operating system, each with the way out."""
_NOT_FINITE = re.compile(r"the image contains (.+?) at pixel \((\d+), (\d+)\), band (\d+); a map needs ([^.]*)")
_WAYS_OUT = {
    "alpha": "--alpha drop uses transparent pixels too",
    "no-data value": "--nodata none uses pixels of the no-data value too",
    "mask given": "leave --mask out, or give another one",
}


@contextmanager
def explained_system_errors(output: str) -> Iterator[None]:
    """Translate errors of the operating system, such as a full disk."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0)
        if remedy is None:
            raise
        # errors of writes to open files do not name the file
        own = shown(output) if is_remote(output) else run_folder(Path(output).expanduser())
        path = error.filename2 or error.filename or own
        translated = DasksomError(f"{path}: {remedy} ({os.strerror(error.errno or 0)})")
        for note in getattr(error, "__notes__", ()):
            translated.add_note(note)
        raise translated from error


@contextmanager
def explained_deaths(plan: Plan, memory: int) -> Iterator[None]:
    """Add needed and available memory to the error for dead workers: most die from a lack of memory.

    Parameters
    ----------
    plan : Plan
    memory : int
        Memory of each worker, in bytes; 0 without a limit.
    """
    try:
        yield
    except DeadlyTaskError as error:
        rows, columns = plan.chunk
        # it did not fit, despite the plan
        size = min(plan.chunk_bytes_that_fit(memory) if memory else plan.chunk_bytes, plan.chunk_bytes // 4)
        smaller = f" or use --chunk-size {chunk_size_text(size)}" if size >= plan.stored_chunk_bytes else ""
        limit = f"its limit is {format_bytes(memory)}" if memory else "it has no limit"
        raise DeadlyTaskError(
            f"{error}; a worker needs up to {format_bytes(plan.worker_bytes)} for chunks of {rows} x {columns} pixels, "
            f"and {limit}: if its machine ran out of memory, give it more{smaller}; "
            "if not, reading or processing this region crashes (see --debug and the logs of the workers)"
        ) from error


@contextmanager
def explained_pixels(image: str, picture: Picture) -> Iterator[None]:
    """Add the image and an option that helps to errors about pixels that cannot be trained on.

    Parameters
    ----------
    image : name of the image, for messages
    picture : the image
    """
    try:
        yield
    except InputError as error:
        text = str(error)
        if text == NO_SAMPLES:
            raise InputError(f"{image}: {_why_no_pixel(picture)}") from error
        if not_finite := _NOT_FINITE.match(text):
            value, row, column, band, needed = not_finite.groups()
            option = "--nodata inf (or -inf)" if value == "infinity" else "--nodata VALUE"
            raise InputError(
                f"{image}: contains {value} at row {row}, column {column}, band {band}; a map needs {needed}: leave "
                f"such pixels out with {option} or --mask IMAGE, or replace them in the file"
            ) from error
        raise


def _why_no_pixel(picture: Picture) -> str:
    origins = picture.about.get("mask", "").split(", ") if picture.mask is not None else []
    ways_out = [_WAYS_OUT[origin] for origin in origins if origin in _WAYS_OUT]
    excluded = ", ".join(origins) or "NaN"
    return f"no pixel holds data: all are excluded ({excluded}); {'; '.join(ways_out) or 'give another image'}"
