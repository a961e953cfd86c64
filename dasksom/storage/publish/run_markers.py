"""Files that mark a folder as that of a run, and checks of them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from dasksom.storage.own_folders import ForeignFileError, is_temporary

LOCK, OWNER, RECORDS, REPLACED, COMPLETE = "lock", "owner.json", "records", "replaced", "whole"
REPLACES = "replaces"
"""Key in ``owner.json``: identity of the file at the output's path when the run began."""
COMPLETE_NOTE = b"The output of this run is complete.\n"
"""Content of the file that is written before the output is renamed."""


def owner_of(folder: Path) -> dict[str, Any] | None:
    """Return the content of ``owner.json`` in a folder; None if there is none."""
    path = folder / OWNER
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and {"process", "host"} <= record.keys() else None


def is_owner(content: bytes) -> bool:
    """Return whether a file has the content of ``owner.json``."""
    return content.startswith(b'{"process"')


def is_complete(content: bytes) -> bool:
    """Return whether a file has the content of the one that is written before the output is renamed."""
    return content == COMPLETE_NOTE


def check_own_folder(final: Path, folder: Path) -> None:
    """Reject a run folder that is foreign: a link, or a folder without ``owner.json``.

    Raises
    ------
    ForeignFileError
    """
    state = os.lstat(folder)
    if not stat.S_ISDIR(state.st_mode):
        raise ForeignFileError(folder, f"is not a folder, and a run needs this name to write {final.name}")
    if hasattr(os, "geteuid") and state.st_uid != os.geteuid():
        raise ForeignFileError(folder, f"belongs to another user, and a run needs this name to write {final.name}")
    # without an owner: killed before it was recorded, or after it was deleted
    ends = all(name in (LOCK, COMPLETE) or is_temporary(name) for name in os.listdir(folder))
    if owner_of(folder) is None and not ends:
        raise ForeignFileError(folder, f"is not the folder of a run, and a run needs this name to write {final.name}")
    for name, test in ((LOCK, lambda content: not content), (COMPLETE, is_complete)):
        path = folder / name
        if os.path.lexists(path) and not (stat.S_ISREG(os.lstat(path).st_mode) and test(path.read_bytes())):
            raise ForeignFileError(path)
