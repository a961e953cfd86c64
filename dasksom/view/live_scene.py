"""The scene of an output that may be replaced while it is shown: opened again then, under a new version."""

import os
import stat
from contextlib import ExitStack
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np

from dasksom.classes import ClassTable
from dasksom.classes.table_files import classes_csv
from dasksom.image import QuantizedImage, open_result
from dasksom.view.class_session import ClassActions, ClassSession
from dasksom.view.scene import Scene

Identity = tuple[tuple[int, int, int], ...]


class LiveScene:
    """The newest scene of an output; a context manager that closes its files.

    Parameters
    ----------
    output : str
        Path of the output.
    original : str or None
        Path of the image that it was made of; by default the one that the output names.
    actions : ClassActions, optional
        Group units and write classes.

    Raises
    ------
    InputError
        If the output holds no palette, or the original is not of its size.
    """

    def __init__(self, output: str, original: str | None, actions: ClassActions | None = None) -> None:
        self.output, self.original, self.actions = output, original, actions
        self.version = 0
        """Changes when the output has been replaced; part of the addresses of tiles."""
        self._lock = Lock()
        self._files = ExitStack()
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._files.close()

    def is_current(self) -> bool:
        """Return whether the output is the one that was opened."""
        return _identity(self.output) == self._opened

    def refresh(self) -> Scene:
        """Return the scene, opened again if the output has been replaced.

        Raises
        ------
        InputError
            If the new output cannot be opened.
        """
        with self._lock:
            if not self.is_current():
                self._files.close()
                self._open()
                self.version += 1
            return self.scene

    def _open(self) -> None:
        self._opened = _identity(self.output)
        with ExitStack() as stack:
            result = stack.enter_context(open_result(self.output))
            self.scene = Scene.of(result, self.original)
            stack.callback(self.scene.close)
            self.classes = ClassSession(self.output, classes_csv(self.output), _stored_classes(result), self.actions)
            stack.callback(self.classes.close)
            self._files = stack.pop_all()


def _stored_classes(result: QuantizedImage) -> ClassTable:
    """Return the classes in an output; without any, no unit has a class."""
    if result.classes is not None:
        return ClassTable.from_json(result.classes)
    return ClassTable.of(np.zeros(len(result.palette), np.int64))


def _identity(path: str) -> Identity:
    """Return what changes when a file, or a folder, is replaced; classes and tables may be added to a folder."""
    found: list[tuple[int, int, int]] = []
    for name in (path, os.path.join(path, "zarr.json")):
        try:
            status = os.stat(name)
        except OSError:  # not there, or no folder
            continue
        is_folder = stat.S_ISDIR(status.st_mode)
        found.append((status.st_ino, 0, 0) if is_folder else (status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)
