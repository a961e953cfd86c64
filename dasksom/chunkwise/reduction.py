"""All results of a pass combined to one, and the record of it from which a pass that was killed goes on."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol

import dask.array as da
from dask.base import tokenize

from dasksom.chunkwise.mapping import Part, map_chunks

UNDER_WAY = "under-way"
"""Name of the record of a pass that is under way."""
KEEP_SECONDS = 30.0
"""How often such a record is kept: as much work as is lost at most, and one window."""


class Keeper(Protocol):
    """What keeps records of work that is under way, should the process be killed."""

    def load(self, name: str) -> Any:
        """Give the newest record of that name; None if there is none."""

    def save(self, name: str, value: Any) -> None:
        """Keep a record under that name."""


def reduce_chunks(
    image: da.Array,
    function: Callable[..., Part],
    combine: Callable[[Sequence[Part]], Part],
    *,
    keeper: Keeper | None = None,
    **options: Any,
) -> Part:
    """Run a function on every chunk and combine all results.

    Parameters are those of `map_chunks`. With a keeper, what the windows gave so far is kept now and then, and a pass
    of the same function with the same arguments over the same image goes on from there.
    """
    so_far: _SoFar[Part] = _SoFar(keeper, "" if keeper is None else _label(image, function, options))
    try:
        for part in map_chunks(image, function, combine, first=so_far.windows, **options):
            so_far.add(part if so_far.total is None else combine([so_far.total, part]))
    except BaseException:  # interrupted, or a chunk failed
        so_far.keep()
        raise
    if so_far.is_kept:  # a long pass, the rest of which would be lost
        so_far.keep()
    if so_far.total is None:
        raise ValueError("an image without chunks")
    return so_far.total


def _label(image: da.Array, function: Callable[..., Any], options: Mapping[str, Any]) -> str:
    """Name a pass by what it gives: its function, and what that is given."""
    given = {name: value for name, value in options.items() if name not in ("progress", "beside")}
    beside = [array.name for array in options.get("beside", ()) if array is not None]
    return str(tokenize(image.name, image.chunks, beside, function.__qualname__, given))


class _SoFar(Generic[Part]):
    """What the windows of a pass gave so far, beginning with those of a process that was killed."""

    def __init__(self, keeper: Keeper | None, label: str) -> None:
        self._keeper, self._label = keeper, label
        self.windows = 0
        self.total: Part | None = None
        before = None if keeper is None else keeper.load(UNDER_WAY)
        if before is not None and before["label"] == label:
            self.windows, self.total = before["windows"], before["total"]
        self.is_kept = False
        """Whether this process has kept a record."""
        self._kept, self._kept_at = self.windows, time.monotonic()

    def add(self, total: Part) -> None:
        """Note the total with one more window."""
        self.windows, self.total = self.windows + 1, total
        if time.monotonic() - self._kept_at >= KEEP_SECONDS:
            self.keep()

    def keep(self) -> None:
        """Keep a record of the windows, if one of them is in none."""
        if self._keeper is not None and self._kept < self.windows:
            self._keeper.save(UNDER_WAY, {"label": self._label, "windows": self.windows, "total": self.total})
            self.is_kept, self._kept, self._kept_at = True, self.windows, time.monotonic()
