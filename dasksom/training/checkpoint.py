"""Records of a training in a folder, from which it resumes after it was killed.

A new record replaces the old one atomically; the old one is kept as the previous version. Records that do not match
their checksum are ignored.
"""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dasksom.errors import InputError
from dasksom.storage.records import RecordFolder, Records
from dasksom.training.record_encoding import pack, unpack

logger = logging.getLogger(__name__)

IDENTITY, HOW, FEATURES, STATE, TRAINED, UNREAD = "identity", "how", "features", "state", "trained", "unread"
"""Names of records: what identifies a training or a run, how the run was requested, the measured features, the state
of a map between two epochs, the trained map, and the regions of the images that cannot be read."""

_WITHOUT_EFFECT: tuple[Any, ...] = (None, False, "none", [])
"""Values of a parameter that an older version, which did not have it yet, behaves like."""


class Checkpoint:
    """Records of one training, or of one run.

    Parameters
    ----------
    place : path, or Records
        Store of the records; a folder is created if it does not exist.
    identity : mapping of str to JSON, optional
        Identity of the training: parameters, images, versions; see `agree`.

    Raises
    ------
    InputError
        If the folder holds records of another training, naming the differences; or files that are not records.
    """

    def __init__(self, place: str | os.PathLike[str] | Records, identity: Mapping[str, Any] | None = None) -> None:
        self._records: Records
        if isinstance(place, (str, os.PathLike)):
            self._records = folder = RecordFolder(Path(place).expanduser())
            folder.make()
        else:
            self._records = place
        if identity is not None:
            self.agree(identity)

    def agree(self, identity: Mapping[str, Any]) -> None:
        """Save the identity of the training, or check that it matches the saved one.

        Raises
        ------
        InputError
            If it differs; the message names the differences.
        """
        if self.identity() is None:
            self.clear()
            self.save(IDENTITY, json.dumps(identity))
        elif changed := self.changes(identity):
            raise InputError(
                f"{self._records.name}: checkpoints of another training ({'; '.join(changed)}); use the same "
                "parameters, images and versions, or delete the folder to start over"
            )

    def changes(self, identity: Mapping[str, Any]) -> list[str]:
        """Return the differences from the saved identity, in words; none if there is no saved one."""
        now, then = json.loads(json.dumps(identity)), self.identity()
        if then is None:
            return []
        return [
            f"{name}: {then.get(name)!r} then, {now.get(name)!r} now"
            for name in sorted({*now, *then})
            if now.get(name) != then.get(name) and not (name not in then and now[name] in _WITHOUT_EFFECT)
        ]

    def identity(self) -> dict[str, Any] | None:
        """Return the saved identity; None if there is none."""
        record = self.load(IDENTITY)
        if record is None:
            return None
        try:
            identity = json.loads(record)
        except (TypeError, ValueError, RecursionError):
            identity = None
        if not isinstance(identity, dict):
            raise InputError(
                f"{self._records.name}: its {IDENTITY}.record was not written by dasksom; delete the folder to start "
                "over"
            )
        return identity

    def save(self, name: str, value: Any) -> None:
        """Save a record; on return it is on the disk, and survives a crash of the process or of the machine."""
        self._records.write(name, pack(value))

    def load(self, name: str) -> Any:
        """Return the newest intact record of a name; None if there is none."""
        for path, content in self._records.read(name):
            try:
                return unpack(content)
            except ValueError as error:
                logger.warning("%s: %s; it is ignored", path, error)
        return None

    def clear(self) -> None:
        """Delete the records."""
        self._records.clear()
