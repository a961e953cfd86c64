"""Saving of records of work in progress, from which a killed process resumes."""

import time
from typing import Any, Protocol

SMALL_RECORD_SECONDS = 2.0
"""Interval between records of a few kilobytes: the maximum work lost."""
LARGE_RECORD_SECONDS = 30.0
"""Interval between records of all sums of a pass, which may be gigabytes of counted colors."""


class Keeper(Protocol):
    """A store of records by name."""

    def load(self, name: str) -> Any:
        """Return the newest record of that name; None if there is none."""

    def save(self, name: str, value: Any) -> None:
        """Save a record under that name."""


class ThrottledKeeper:
    """A keeper that saves nothing before `delay`, then at most one record per `interval`.

    Work that ends or fails within seconds is faster to repeat than to resume.

    Parameters
    ----------
    keeper : Keeper or None
        Store of the records; if None, nothing is saved or loaded.
    delay : float
        Seconds before the first record.
    interval : float
        Seconds between records.
    """

    def __init__(self, keeper: Keeper | None, *, delay: float, interval: float = 0.0) -> None:
        self._keeper, self._interval = keeper, interval
        self._due_at = time.monotonic() + delay

    @property
    def is_due(self) -> bool:
        """Whether `save` saves."""
        return time.monotonic() >= self._due_at

    def load(self, name: str) -> Any:
        """Return the newest record of that name; None if there is none."""
        return None if self._keeper is None else self._keeper.load(name)

    def save(self, name: str, value: Any) -> None:
        """Save a record, if one is due."""
        if self.is_due:
            self.save_now(name, value)

    def save_now(self, name: str, value: Any) -> None:
        """Save a record, even if none is due."""
        if self._keeper is not None:
            self._keeper.save(name, value)
            self._due_at = time.monotonic() + self._interval
