"""Small files that a run keeps to go on from, each there as a whole or not at all: in a folder, or on a store."""

from __future__ import annotations

import os
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
from dasksom.storage.own_removal import remove_file

SUFFIX = ".record"
BEFORE = ".before"
"""Ends the name of the record that was there before."""
FIRST = frozenset({"identity", "how"})
"""Names of the records of what is to be done: nothing to go on from."""
_OURS = (SUFFIX, BEFORE, ".tmp", ".new")


class Records(Protocol):
    """A place for named pieces of bytes."""

    @property
    def name(self) -> str:
        """What to call the place."""

    def read(self, name: str) -> Iterator[tuple[str, bytes]]:
        """Yield where a record lies and what it holds, the newest first."""

    def write(self, name: str, content: bytes) -> None:
        """Keep a record: when this returns it outlives the process."""

    def names(self) -> set[str]:
        """Return the names of the records that are there."""

    def clear(self) -> None:
        """Delete the records."""


def is_worth_keeping(records: Records) -> bool:
    """Tell whether there is anything to go on from."""
    return bool(records.names() - FIRST)


def tell_how_to_go_on(error: BaseException, output: str) -> None:
    """Add to what has ended a run how it is gone on with."""
    error.add_note(f"what is done is kept; to go on from there: dasksom resume {shlex.quote(output)}")


def owner() -> dict[str, Any]:
    """Tell which process this is."""
    return {
        "process": os.getpid(),
        "created": psutil.Process().create_time(),
        "host": socket.gethostname(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def runs(owner: dict[str, Any]) -> bool:
    """Tell whether a process of this machine still runs, and not another one that got its number."""
    try:
        return bool(psutil.Process(owner["process"]).create_time() == owner["created"])
    except (psutil.Error, KeyError):
        return False


def told_of(owner: Any) -> str:
    """Tell in words what `owner` gave."""
    try:
        return f"process {owner['process']} on {owner['host']}, begun {owner['started']}"
    except (KeyError, TypeError):
        return "of an unknown process"


@dataclass(frozen=True)
class RecordFolder:
    """Records on a disk; they outlive the machine's power too."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def make(self) -> None:
        """Make the folder; InputError if there can be none, or it holds other things."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            others = [path.name for path in self.folder.iterdir() if not path.name.endswith(_OURS)]
        except OSError as error:
            raise InputError(f"{self.folder}: no folder for checkpoints can be there: {error.strerror}") from error
        if others:
            raise InputError(f"{self.folder}: holds other files ({others[0]}); name a folder for the checkpoints alone")

    def read(self, name: str) -> Iterator[tuple[str, bytes]]:
        """Yield the record, and the one that was there before."""
        path = self.folder / (name + SUFFIX)
        for candidate in (path, path.with_suffix(BEFORE)):
            if candidate.is_file():
                yield str(candidate), candidate.read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Put a record in the place of the old one, in a single step."""
        replace_file(self.folder / (name + SUFFIX), content, previous=name + BEFORE, sync=True)

    def names(self) -> set[str]:
        """Return the names of the records that are there."""
        return {path.stem for path in self.folder.glob(f"*{SUFFIX}")}

    def clear(self) -> None:
        """Delete the records."""
        for path in self.folder.iterdir():
            if path.name.endswith(_OURS) and not path.is_symlink():
                remove_file(path)


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
        """Put a record in the place of the old one: stores do so in a single step."""
        self.folder.below(name + SUFFIX).write(content)

    def names(self) -> set[str]:
        """Return the names of the records that are there."""
        system, path = file_system(self.folder)
        try:
            system.invalidate_cache()
            found = system.find(path)
        except FileNotFoundError:
            return set()
        except Exception as error:
            raise self.folder.refusal(f"cannot be looked at: {error}") from None
        return {one.rpartition("/")[2].removesuffix(SUFFIX) for one in found if one.endswith(SUFFIX)}

    def clear(self) -> None:
        """Delete the records."""
        system, path = file_system(self.folder)
        if found := [f"{path}/{name}{SUFFIX}" for name in self.names()]:
            system.rm(found)
