"""The journal of a writing pass: it records the stored windows, so that a killed run resumes after the last one.

A record is saved every few seconds, with the names and checksums of the files written since the previous record. A
resumed run verifies these files, and writes everything again from the first record whose files do not match.
"""

from collections.abc import Callable
from typing import Any

from dasksom.chunkwise import SMALL_RECORD_SECONDS, Keeper, ThrottledKeeper, run_tasks
from dasksom.som.quality import Quality
from dasksom.som.statistics.unit_statistics import UnitStatistics
from dasksom.storage.checksum_manifests import FileSums

Measures = tuple[Quality | None, UnitStatistics | None]
"""What a pass measured of the pixels of a window."""
JOURNAL_RECORD = "written"
"""Prefix of the names of the records."""


class WriteJournal:
    """The stored windows of a pass.

    Parameters
    ----------
    keeper : Keeper, optional
        If None, nothing is saved.
    on_stored : callable (FileSums), optional
        Called with the files of every window, in row-major order, including those of an earlier process.
    """

    def __init__(self, keeper: Keeper | None = None, on_stored: Callable[[FileSums], None] | None = None) -> None:
        self._keeper = ThrottledKeeper(keeper, delay=SMALL_RECORD_SECONDS, interval=SMALL_RECORD_SECONDS)
        self._on_stored = on_stored
        self.is_resumed = False
        """Whether there are windows of an earlier process."""
        self._label, self._first_window, self._records = "", 0, 0
        self._stored: FileSums = ()
        self._measures: tuple[Measures, ...] = ()

    def resume(self, label: str, are_intact: Callable[[FileSums], bool]) -> list[Measures]:
        """Accept the windows of an earlier process whose files match their checksums; return what was measured of each.

        Parameters
        ----------
        label : str
            Identifies the pass; records of other passes are ignored.
        are_intact : callable (FileSums) -> bool
            Verifies files, on a worker. Must be picklable.
        """
        self._label = label
        records: list[dict[str, Any]] = []
        first = 0
        while True:
            record = self._keeper.load(f"{JOURNAL_RECORD}-{len(records):06}")
            if not isinstance(record, dict) or (record.get("label"), record.get("first")) != (label, first):
                break
            records.append(record)
            first += len(record["measures"])
        measures: list[Measures] = []
        for record, whole in zip(records, run_tasks(are_intact, [record["stored"] for record in records]), strict=True):
            if not whole:
                break
            self._records += 1
            self.is_resumed = True
            self.report(record["stored"])
            measures.extend(record["measures"])
        self._first_window = len(measures)
        return measures

    def add(self, stored: FileSums, measures: Measures) -> None:
        """Add the next window."""
        self.report(stored)
        self._stored += stored
        self._measures += (measures,)
        if self._keeper.is_due:
            self.save()

    def save(self) -> None:
        """Save a record of the windows that are not in a record yet."""
        if self._measures:
            windows = {"label": self._label, "first": self._first_window}
            record = {**windows, "stored": self._stored, "measures": self._measures}
            self._keeper.save_now(f"{JOURNAL_RECORD}-{self._records:06}", record)
            self._records += 1
        self._first_window += len(self._measures)
        self._stored, self._measures = (), ()

    def report(self, stored: FileSums) -> None:
        """Report files that were written."""
        if self._on_stored is not None:
            self._on_stored(stored)
