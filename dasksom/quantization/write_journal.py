"""What the windows of a writing pass have left on the disk, so that a killed run goes on after the last of them.

A record is kept every few seconds: names and checksums of the files that were written since the one before. When a run
goes on, its files are read again; from the first that is not what it was, everything is written anew.
"""

import time
from collections.abc import Callable
from typing import Any

from dasksom.chunkwise import Keeper, run_tasks
from dasksom.som.quality import Quality
from dasksom.storage.checksum_manifests import FileSums

KEEP_SECONDS = 2.0
"""How often a record is kept: as much work as is lost at most, and the windows that are under way."""
RECORD = "written"
"""Begins the names of the records."""


class Ledger:
    """The windows that are done.

    Parameters
    ----------
    keeper : Keeper, optional
        Without one nothing is kept.
    note : callable (FileSums), optional
        Called with what every window wrote, in row-major order, whichever process it was done in.
    """

    def __init__(self, keeper: Keeper | None = None, note: Callable[[FileSums], None] | None = None) -> None:
        self._keeper, self._note = keeper, note
        self.went_on = False
        """Whether windows of an earlier process were taken up."""
        self._label, self._first, self._kept, self._kept_at = "", 0, 0, time.monotonic()
        self._stored: FileSums = ()
        self._qualities: tuple[Quality | None, ...] = ()

    def go_on(self, label: str, are_whole: Callable[[FileSums], bool]) -> list[Quality | None]:
        """Take up the windows of an earlier process that still stand; give the quality of each.

        Parameters
        ----------
        label : str
            Names the pass; records of another are passed over.
        are_whole : callable (FileSums) -> bool
            Tells on a worker whether files are as they were written. Must be picklable.
        """
        self._label = label
        records: list[dict[str, Any]] = []
        first = 0
        while self._keeper is not None:
            record = self._keeper.load(f"{RECORD}-{len(records):06}")
            if not isinstance(record, dict) or (record.get("label"), record.get("first")) != (label, first):
                break
            records.append(record)
            first += len(record["qualities"])
        qualities: list[Quality | None] = []
        for record, whole in zip(records, run_tasks(are_whole, [record["stored"] for record in records]), strict=True):
            if not whole:
                break
            self._kept += 1
            self.went_on = True
            self.tell(record["stored"])
            qualities.extend(record["qualities"])
        self._first = len(qualities)
        return qualities

    def add(self, stored: FileSums, quality: Quality | None) -> None:
        """Note that a window is done."""
        self.tell(stored)
        self._stored += stored
        self._qualities += (quality,)
        if time.monotonic() - self._kept_at >= KEEP_SECONDS:
            self.keep()

    def keep(self) -> None:
        """Keep a record of the windows that none tells of yet."""
        if self._keeper is not None and self._qualities:
            where = {"label": self._label, "first": self._first}
            self._keeper.save(
                f"{RECORD}-{self._kept:06}", {**where, "stored": self._stored, "qualities": self._qualities}
            )
            self._kept += 1
        self._first += len(self._qualities)
        self._stored, self._qualities, self._kept_at = (), (), time.monotonic()

    def tell(self, stored: FileSums) -> None:
        """Hand on what was written."""
        if self._note is not None:
            self._note(stored)
