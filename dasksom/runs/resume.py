"""What a run notes of itself so that it can be gone on with after it was killed, and how it is taken up again."""

import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dasksom.config import RunConfig
from dasksom.errors import DasksomError, InputError
from dasksom.image import Picture, RunFolder, StoreRun, fingerprint, is_remote, run_folder, shown
from dasksom.quantization.write_journal import RECORD
from dasksom.redaction import redact_settings
from dasksom.training.checkpoint import HOW, Checkpoint, Patient

VERSIONS = ("dasksom", "numba", "numpy", "zarr")
"""Packages with other versions of which a run may give other bits."""

Work = RunFolder | StoreRun
"""Where a run keeps its records and its unfinished output."""


@dataclass(frozen=True)
class How:
    """How a run was asked for."""

    command: str
    """"quantize" or "train"."""
    sources: tuple[str, ...]
    """Absolute paths, and URLs without secrets."""
    model: str | None
    config: dict[str, Any]


def begin(work: Work, how: How, images: Sequence[Picture], codebook: Any = None) -> Patient:
    """Note what a run is going to do, or see that it is what an earlier process has begun.

    Parameters
    ----------
    work : where the records are kept
    how : how the run was asked for
    images : what it reads
    codebook : ndarray, optional
        Of the map that it applies.

    Raises
    ------
    InputError
        Naming what has changed since.
    """
    kept = Checkpoint(work.records)
    identity: dict[str, Any] = {f"version of {name}": version(name) for name in VERSIONS}
    identity |= {"command": how.command, "map": None if codebook is None else sha256(codebook.tobytes()).hexdigest()}
    for section in ("map", "input", "output"):
        identity |= {f"{section}.{name}": value for name, value in how.config[section].items()}
    for source, picture in zip(how.sources, images, strict=True):
        identity[f"image {source}"] = [fingerprint(picture), str(picture.pixels.chunks)]
    changed = kept.changes(identity)
    for source in how.sources:
        changed = [f"{source} has changed" if one.startswith(f"image {source}:") else one for one in changed]
    if changed:
        raise InputError(
            f"{shown(str(work.final))}: cannot be gone on with, for the bits would be others: {'; '.join(changed)}; "
            "put that back, or begin anew (the same command as at first, with --overwrite)"
        )
    begun = kept.identity() is not None
    if not begun:
        kept.agree(identity)
        kept.save(HOW, json.dumps(asdict(how)))
    return Patient(kept, begun=begun)


def check_unchanged(work: Work, sources: Sequence[str], again: Sequence[Picture]) -> None:
    """Refuse to publish what was made of images that changed while they were read, and forget it.

    Parameters
    ----------
    work : where the records are kept
    sources : what to call the images
    again : the images, opened now

    Raises
    ------
    InputError
    """
    then = Checkpoint(work.records).identity() or {}
    for source, picture in zip(sources, again, strict=True):
        if then.get(f"image {_lasting(source)}", [None])[0] != fingerprint(picture):
            work.records.clear()
            raise InputError(f"{shown(source)}: has changed while it was read; leave it alone, and begin anew")


def has_written(work: Work) -> bool:
    """Tell whether an earlier process has written chunks that are to be kept."""
    return any(name.startswith(RECORD) for name in work.records.names())


def begun(work: Work) -> How:
    """Read how a run was asked for.

    Raises
    ------
    InputError
        If that was not kept, or is damaged.
    """
    try:
        found = json.loads(Checkpoint(work.records).load(HOW))
        return How(found["command"], tuple(found["sources"]), found["model"], found["config"])
    except (ValueError, KeyError, TypeError):  # there is none, or another has been put there
        raise InputError(
            f"{shown(str(work.final))}: the records of its run are gone or damaged; begin anew (the same command as at "
            "first, with --overwrite)"
        ) from None


def how_of(command: str, sources: Sequence[str], model: str | None, config: RunConfig, chunk_bytes: int) -> How:
    """Put down how a run was asked for, so that it is the same from any folder and on any machine."""
    told = config.model_dump(mode="json")
    told["input"]["chunk_size"] = f"{chunk_bytes}B"  # by default the cluster's memory decides
    told["input"]["mask"] = None if config.input.mask is None else _lasting(config.input.mask)
    if redact_settings(config.cluster.options) != config.cluster.options:
        told["cluster"] = None  # holds secrets
    return How(command, tuple(map(_lasting, sources)), None if model is None else _lasting(model), told)


def config_of(how: How, given: RunConfig) -> RunConfig:
    """Give the configuration of a run that is gone on with: as it was, on the cluster and with the secrets given now.

    Raises
    ------
    InputError
        If something else is given, too.
    """
    for section in ("map", "input", "output"):
        if more := getattr(given, section).model_fields_set - {"storage"}:
            raise InputError(
                f"{section}.{min(more)}: a run is gone on with as it was begun; leave all but cluster, input.storage "
                "and output.storage out"
            )
    if how.config["cluster"] is None and not given.cluster.model_fields_set:
        raise InputError(
            "cluster.options held secrets or variables, which are not kept; name the cluster again (--config)"
        )
    config = RunConfig.model_validate({name: told for name, told in how.config.items() if told is not None})
    update: dict[str, Any] = {
        section: getattr(config, section).model_copy(update={"storage": getattr(given, section).storage})
        for section in ("input", "output")
    }
    if given.cluster.model_fields_set:
        update["cluster"] = given.cluster
    return config.model_copy(update=update)


def _lasting(path: str) -> str:
    return shown(path) if is_remote(path) else os.path.abspath(os.path.expanduser(path.removeprefix("file://")))


@contextmanager
def trouble_in_words(output: str) -> Iterator[None]:
    """Tell trouble with files as a person can mend it."""
    try:
        yield
    except OSError as error:
        what = _TROUBLE.get(error.errno or 0)
        if what is None:
            raise
        # writing to a file that is open, the system does not say which one it is
        own = shown(output) if is_remote(output) else run_folder(Path(output).expanduser())
        told = DasksomError(f"{error.filename2 or error.filename or own}: {what} ({os.strerror(error.errno or 0)})")
        for note in getattr(error, "__notes__", ()):
            told.add_note(note)
        raise told from error


_TROUBLE = {
    errno.ENOSPC: "the disk is full; make room on it",
    errno.EDQUOT: "the quota is used up; make room",
    errno.EROFS: "the disk is read-only; mount it for writing",
    errno.EACCES: "no permission; change it (chmod, chown)",
    errno.EPERM: "no permission; change it (chmod, chown)",
    errno.EFBIG: "the file would be larger than is allowed here (ulimit -f); raise that limit",
    errno.EMFILE: "too many open files for one process (ulimit -n); raise that limit, or take fewer workers",
    errno.ENFILE: "too many open files on this machine; close programs",
    errno.EIO: "the disk fails; look at the system's log (dmesg)",
    errno.ESTALE: "the network disk was gone for a moment",
}
