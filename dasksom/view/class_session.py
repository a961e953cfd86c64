"""The classes that pages edit: every change is checked, saved at once, and can be undone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from dasksom.classes import AUTO, ClassTable, read_class_table
from dasksom.classes.class_edits import edit_of
from dasksom.classes.class_image import Tidying
from dasksom.classes.table_files import save_class_table
from dasksom.errors import DasksomError, InputError
from dasksom.redaction import printable
from dasksom.storage.own_folders import locked_folder
from dasksom.view.write_status import WriteStatus

_MOST_VERSIONS = 100
"""Tables that are held, to compare them with what a page saw and to undo."""
_UNDO, _GROUP, _WRITE = "undo", "group", "write"


class ConflictError(InputError):
    """A change that is based on classes that another page, or program, has changed since."""


@dataclass(frozen=True)
class ClassActions:
    """What pages ask for besides edits."""

    group: Callable[[str, int | str, WriteStatus], ClassTable]
    """Groups the units of an output into a number of classes, or "auto"."""
    write: Callable[[str, ClassTable, Tidying, WriteStatus], list[str]]
    """Writes the class of every pixel of an output, tidied."""


@dataclass(eq=False)
class ClassSession:
    """The classes of an output: those of its table of classes if there is one, else the stored ones, else none.

    Several pages may change them. A change that is based on an older version is applied if what it depends on is still
    the same, and else refused.
    """

    output: str
    path: Path
    """The table, as CSV."""
    table: ClassTable
    """The present classes; at first, those to use if the file does not exist."""
    actions: ClassActions | None = None
    version: int = 0
    problem: str | None = None
    """Why the file cannot be used; nothing is changed until it can."""
    writing: WriteStatus = field(default_factory=WriteStatus)
    _history: dict[int, ClassTable] = field(default_factory=dict)
    _undo: list[ClassTable] = field(default_factory=list)
    _file: tuple[int, ...] | None = None
    _lock: Lock = field(default_factory=Lock)
    _thread: Thread | None = None

    def __post_init__(self) -> None:
        self._set(self.table)
        self._read_changed()
        self._undo.clear()

    def state(self) -> dict[str, Any]:
        """Return the present classes as JSON."""
        with self._lock:
            self._read_changed()
            return self._as_json()

    def current_version(self) -> int:
        """Return the version of the classes; another program may have changed the file."""
        with self._lock:
            self._read_changed()
            return self.version

    def change(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Apply an edit, group, undo, or start to write; return the new classes as JSON.

        Parameters
        ----------
        request : mapping
            JSON with the keys `version`, that of the classes that the page shows, and `edit`: "undo", "group",
            "write", or a name in `class_edits.EDITS`. "group" takes a `count`, "write" the fields of `Tidying`.

        Raises
        ------
        ConflictError
            If the classes have been changed since, in what the edit depends on.
        InputError
            If it is not an edit, it is not possible, or it cannot be saved.
        """
        with self._lock, self._alone():
            self._read_changed()
            if self.problem is not None:
                raise InputError(self.problem)
            kind, version = request.get("edit"), request.get("version")
            if kind in (_UNDO, _GROUP, _WRITE):
                if version != self.version:
                    raise ConflictError("Not done: the classes were changed elsewhere, and are shown now; try again")
                {_UNDO: self._undo_last, _GROUP: self._regroup, _WRITE: self._start_writing}[kind](request)
            else:
                edit = edit_of(request, len(self.table.numbers))
                seen = self._history.get(version) if isinstance(version, int) else None
                if seen is None or edit.touched(seen) != edit.touched(self.table):
                    raise ConflictError(
                        "Not changed: these classes were changed elsewhere, and are shown now; try again"
                    )
                self._save(edit.apply(self.table))
            return self._as_json()

    def close(self) -> None:
        """Stop writing."""
        self.writing.stop()
        if self._thread is not None:
            self._thread.join()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Exclude other viewers of the same output, which save the same file."""
        try:
            with locked_folder(self.path.parent):
                yield
        except OSError as error:  # of the lock; `_save` raises InputError
            raise InputError(f"{self.path}: cannot be changed ({error.strerror}); nothing was changed") from error

    def _as_json(self) -> dict[str, Any]:
        return {
            **self.table.as_json(),
            "version": self.version,
            "file": printable(str(self.path)),
            "undo": bool(self._undo),
            "actions": self.actions is not None,
            "problem": self.problem,
        }

    def _set(self, table: ClassTable) -> None:
        self.version += 1
        self.table = self._history[self.version] = table
        self._history.pop(self.version - _MOST_VERSIONS, None)

    def _save(self, table: ClassTable, *, undoes: bool = False) -> None:
        try:
            save_class_table(self.path, table)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be saved ({error.strerror}); nothing was changed") from error
        self._file = _identity(self.path)
        if undoes:
            self._undo.pop()
        else:
            self._undo = [*self._undo, self.table][-_MOST_VERSIONS:]
        self._set(table)

    def _read_changed(self) -> None:
        """Read the file again if another program has changed it."""
        identity = _identity(self.path)
        if identity == self._file:
            return
        self._file, self.problem = identity, None
        if identity is None:  # the next change writes it again
            return
        try:
            table = read_class_table(self.path, len(self.table.numbers))
        except InputError as error:
            self.problem = printable(f"{error}; correct the file, or move it away")
            return
        if table.to_csv() != self.table.to_csv():
            self._undo.append(self.table)
            self._set(table)

    def _undo_last(self, request: Mapping[str, Any]) -> None:
        if not self._undo:
            raise InputError("nothing to undo")
        self._save(self._undo[-1], undoes=True)

    def _regroup(self, request: Mapping[str, Any]) -> None:
        count = request.get("count", AUTO)
        if self.actions is None:
            raise InputError("this viewer does not group units; use dasksom classes")
        if count != AUTO and (isinstance(count, bool) or not isinstance(count, int)):
            raise InputError(f"count: a number of classes, or {AUTO!r}")
        self._save(self.actions.group(self.output, count, WriteStatus()))

    def _start_writing(self, request: Mapping[str, Any]) -> None:
        if self.actions is None:
            raise InputError("this viewer does not write classes; use dasksom classes")
        if not self.table.used:
            raise InputError("there are no classes to write; make some first")
        if self.writing.state == "running":
            raise InputError("classes are being written; wait until they are")
        tidying = Tidying(_pixels(request, "smooth"), _pixels(request, "min_area"))
        self.writing = WriteStatus(self.version, "running")
        chosen = self.actions, self.table, tidying, self.writing
        self._thread = Thread(target=self._write, args=chosen, daemon=True)
        self._thread.start()

    def _write(self, actions: ClassActions, table: ClassTable, tidying: Tidying, status: WriteStatus) -> None:
        try:
            lines = actions.write(self.output, table, tidying, status)
        except KeyboardInterrupt:
            status.end("stopped", [])
        except Exception as error:  # the page shows any error
            known = isinstance(error, DasksomError)
            status.end("failed", [str(error) if known else f"{type(error).__name__}: {error}"])
        else:
            status.end("done", lines)


def _pixels(request: Mapping[str, Any], name: str) -> int:
    value = request.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name}: {value!r:.50} is not a number of pixels")
    return value


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file is replaced or edited; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    # our files have times of modification of 10 ms; a number of a file may be used again
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
