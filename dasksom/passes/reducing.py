"""All results of a pass combined to one, and the record of it from which a pass that was killed goes on."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import dask.array as da
from dask.base import tokenize

from dasksom.passes.mapping import Part, map_chunks

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
    total: Part | None = None
    done, kept_at, label = 0, time.monotonic(), ""
    if keeper is not None:
        given = {name: value for name, value in options.items() if name not in ("progress", "beside")}
        beside = [array.name for array in options.get("beside", ()) if array is not None]
        label = tokenize(image.name, image.chunks, beside, function.__qualname__, given)
        before = keeper.load(UNDER_WAY)
        if before is not None and before["label"] == label:
            done, total = before["windows"], before["total"]
    begun, kept = done, done
    try:
        for part in map_chunks(image, function, combine, first=done, **options):
            total = part if total is None else combine([total, part])
            done += 1
            if keeper is not None and time.monotonic() - kept_at >= KEEP_SECONDS:
                keeper.save(UNDER_WAY, {"label": label, "windows": done, "total": total})
                kept, kept_at = done, time.monotonic()
    except BaseException:
        if keeper is not None and done > kept:  # interrupted, or a chunk failed
            keeper.save(UNDER_WAY, {"label": label, "windows": done, "total": total})
        raise
    if keeper is not None and begun < kept < done:  # a long pass, the rest of which would be lost
        keeper.save(UNDER_WAY, {"label": label, "windows": done, "total": total})
    if total is None:
        raise ValueError("an image without chunks")
    return total
