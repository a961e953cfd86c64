"""Sources as lazy dask arrays, one task per chunk."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize

from dasksom.image.sources.protocol import Readable
from dasksom.image.sources.unreadable import ReadableMask, WithoutRegions

_MOST_INLINE = 64
"""Unread regions that are part of each task; more are a task of their own, sent to each worker once."""


def lazy_array(source: Readable, chunks: Any, name: str) -> da.Array:
    """Return a lazy array of a source; its name depends on the source's identity and the chunks."""
    regions = source.unread if isinstance(source, (WithoutRegions, ReadableMask)) else ()
    return da.from_array(
        source,
        chunks=chunks,
        name=f"{name}-{tokenize(source.identity, chunks)}",
        meta=np.empty((0,) * source.ndim, source.dtype),
        # one task per chunk that holds its own small source, and a plain call to it
        asarray=False,
        inline_array=len(regions) <= _MOST_INLINE,
        lock=False,
    )
