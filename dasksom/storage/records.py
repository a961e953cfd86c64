"""Records from which runs resume: small files in a folder or on a store, written atomically."""

from __future__ import annotations

import os
import re
import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import psutil

from dasksom.errors import InputError
from dasksom.storage.locations import Location, file_system
from dasksom.storage.own_files import replace_file
from dasksom.storage.own_folders import is_temporary
from dasksom.storage.own_removal import remove_file

SUFFIX = ".record"
BEFORE = ".before"
"""Suffix of the previous version of a record."""
FIRST = frozenset({"identity", "how"})
"""Names of records that only describe the run: not sufficient to resume from."""
_RECORD = re.compile(rb"[0-9a-f]{64}PK\x03\x04")
"""First bytes of a record: a SHA-256 and a NumPy archive (`training.record_encoding`)."""


class Records(Protocol):
    """A store of named byte strings."""

    @property
    def name(self) -> str:
        """Path or URL of the store."""

    def read(self, name: str) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of each version of a record, newest first."""

    def write(self, name: str, content: bytes) -> None:
        """Write a record; it is persistent when this returns."""

    def names(self) -> set[str]:
        """Return the names of the records that are there."""

    def clear(self) -> None:
        """Delete the records."""


def is_record_name(name: str) -> bool:
    """Return whether a file of this name in a folder of records is a record or its temporary file."""
    return re.fullmatch(r"[\w.-]+\.(record|before)", name) is not None or is_temporary(name)


def is_record(content: bytes) -> bool:
    """Return whether a file has the content of a record, even if it is damaged."""
    return _RECORD.match(content) is not None


def _is_any(_: bytes) -> bool:
    return True


def is_worth_keeping(records: Records) -> bool:
    """Return whether there are records to resume from."""
    return bool(records.names() - FIRST)


def add_resume_hint(error: BaseException, output: str) -> None:
    """Add a note to an error that ended a run: how to resume it."""
    error.add_note(f"finished work is saved; to continue: dasksom resume {shlex.quote(output)}")


def owner() -> dict[str, Any]:
    """Return the identity of this process."""
    return {
        "process": os.getpid(),
        "created": psutil.Process().create_time(),
        "host": socket.gethostname(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def runs(owner: dict[str, Any]) -> bool:
    """Return whether a process of this machine is still running; detects reused process ids."""
    try:
        return bool(psutil.Process(owner["process"]).create_time() == owner["created"])
    except (psutil.Error, KeyError):
        return False


def describe_owner(owner: Any) -> str:
    """Describe the result of `owner` in words."""
    try:
        return f"process {owner['process']} on {owner['host']}, begun {owner['started']}"
    except (KeyError, TypeError):
        return "of an unknown process"


@dataclass(frozen=True)
class RecordFolder:
    """Records on a disk; they survive a power failure."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def make(self) -> None:
        """Create the folder; InputError if it cannot be created or holds foreign files."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            others = [path.name for path in self.folder.iterdir() if not is_record_name(path.name)]
        except OSError as error:
            raise InputError(
                f"{self.folder}: the folder for checkpoints cannot be created: {error.strerror}"
            ) from error
        if others:
            raise InputError(f"{self.folder}: holds other files ({others[0]}); name a folder for checkpoints only")

    def read(self, name: str) -> Iterator[tuple[str, bytes]]:
        """Yield the record and its previous version."""
        path = self.folder / (name + SUFFIX)
        for candidate in (path, path.with_suffix(BEFORE)):
            if candidate.is_file():
                yield str(candidate), candidate.read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a record atomically."""
        path = self.folder / (name + SUFFIX)
        replace_file(path, content, is_ours=is_record, previous=name + BEFORE, sync=True)

    def names(self) -> set[str]:
        """Return the names of the records that are there."""
        return {path.stem for path in self.folder.glob(f"*{SUFFIX}")}

    def clear(self) -> None:
        """Delete the records."""
        for path in self.folder.iterdir():
            if is_record_name(path.name) and not path.is_symlink():
                remove_file(path, _is_any if is_temporary(path.name) else is_record)


@dataclass(frozen=True)
class RecordObjects:
    """Records on an object store."""

    folder: Location

    @property
    def name(self) -> str:
        """The folder's URL."""
        return self.folder.name

    def read(self, name: str) -> Iterator[tuple[str, bytes]]:
        """Yield the record."""
        location = self.folder.below(name + SUFFIX)
        system, path = file_system(location)
        try:
            content = system.cat_file(path)
        except FileNotFoundError:
            return
        except Exception as error:
            raise location.refusal(f"cannot be read: {error}") from None
        yield location.name, content

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a record; stores do so atomically."""
        self.folder.below(name + SUFFIX).write(content)

    def names(self) -> set[str]:
        """Return the names of the records that are there."""
        system, path = file_system(self.folder)
        try:
            system.invalidate_cache()
            paths = system.find(path)
        except FileNotFoundError:
            return set()
        except Exception as error:
            raise self.folder.refusal(f"cannot be looked at: {error}") from None
        return {one.rpartition("/")[2].removesuffix(SUFFIX) for one in paths if one.endswith(SUFFIX)}

    def clear(self) -> None:
        """Delete the records."""
        system, path = file_system(self.folder)
        if found := [f"{path}/{name}{SUFFIX}" for name in self.names()]:
            system.rm(found)
