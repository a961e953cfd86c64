"""Convert sources to lazy dask arrays, one task per chunk."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize

from dasksom.image.sources.protocol import Readable
from dasksom.image.sources.unreadable import ReadableMask, WithoutRegions

_MOST_INLINE = 64
"""Largest number of unread regions that each task includes; more go into a separate task, sent to each worker once."""


def lazy_array(source: Readable, chunks: Any, name: str) -> da.Array:
    """Return a lazy array of a source; its name is derived from the source's identity and the chunks."""
    regions = source.unread if isinstance(source, (WithoutRegions, ReadableMask)) else ()
    return da.from_array(
        source,
        chunks=chunks,
        name=f"{name}-{tokenize(source.identity, chunks)}",
        meta=np.empty((0,) * source.ndim, source.dtype),
        # each chunk is one task, a plain call that includes the small source
        asarray=False,
        inline_array=len(regions) <= _MOST_INLINE,
        lock=False,
    )
