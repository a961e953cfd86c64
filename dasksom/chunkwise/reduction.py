"""The combined result of a pass over all chunks, resumable from a record of the completed windows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic

import dask.array as da
from dask.base import tokenize

from dasksom.chunkwise.mapping import ChunkResult, map_chunks
from dasksom.chunkwise.record_keeper import LARGE_RECORD_SECONDS, Keeper, ThrottledKeeper

_RECORD = "under-way"
"""Name of the record of a pass in progress."""


def reduce_chunks(
    image: da.Array,
    function: Callable[..., ChunkResult],
    combine: Callable[[Sequence[ChunkResult]], ChunkResult],
    *,
    keeper: Keeper | None = None,
    **options: Any,
) -> ChunkResult:
    """Run a function on every chunk and combine all results.

    Parameters are those of `map_chunks`. With a keeper, the running total is saved regularly, and a pass of the same
    function with the same arguments over the same image resumes from it.
    """
    total: _RunningTotal[ChunkResult] = _RunningTotal(
        keeper, "" if keeper is None else _label(image, function, options)
    )
    try:
        for result in map_chunks(image, function, combine, first=total.windows, **options):
            total.add(result if total.value is None else combine([total.value, result]))
    except BaseException:  # interrupted, or a chunk failed
        total.save()
        raise
    if total.is_saved:  # a long pass, whose last windows are not saved yet
        total.save()
    if total.value is None:
        raise ValueError("an image without chunks")
    return total.value


def _label(image: da.Array, function: Callable[..., Any], options: Mapping[str, Any]) -> str:
    """Identify a pass by its image, its function and the arguments of the function."""
    given = {name: value for name, value in options.items() if name not in ("progress", "beside")}
    beside = [array.name for array in options.get("beside", ()) if array is not None]
    return str(tokenize(image.name, image.chunks, beside, function.__qualname__, given))


class _RunningTotal(Generic[ChunkResult]):
    """The combined result of the completed windows, including those of a killed process."""

    def __init__(self, keeper: Keeper | None, label: str) -> None:
        self._label = label
        self._keeper = ThrottledKeeper(keeper, delay=LARGE_RECORD_SECONDS, interval=LARGE_RECORD_SECONDS)
        self.windows = 0
        self.value: ChunkResult | None = None
        before = self._keeper.load(_RECORD)
        if before is not None and before["label"] == label:
            self.windows, self.value = before["windows"], before["total"]
        self.is_saved = False
        """Whether this process has saved a record."""
        self._saved_windows = self.windows

    def add(self, value: ChunkResult) -> None:
        """Set the total, which includes one more window."""
        self.windows, self.value = self.windows + 1, value
        if self._keeper.is_due:
            self.save()

    def save(self) -> None:
        """Save a record, unless the last record has all windows."""
        if self._saved_windows < self.windows:
            self._keeper.save_now(_RECORD, {"label": self._label, "windows": self.windows, "total": self.value})
            self.is_saved, self._saved_windows = True, self.windows
