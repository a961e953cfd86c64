"""Refuse TIFFs that are truncated or lack tiles, by their tables of tiles or strips."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.tiff.pages import TiffPages
from dasksom.storage.locations import Location


def _length(location: Location, file: Location) -> int:
    try:
        return int(file.stamp()[0])
    except OSError as error:
        raise InputError(f"{location}: its file {file} is missing ({error.strerror}); copy it too") from error


def _places(location: Location, stored: Sequence[int]) -> NDArray[np.int64]:
    """Return offsets or lengths as an array; refuse values of 2^62 or more."""
    try:
        found = np.asarray(stored, np.int64)
        if found.ndim == 1 and (found >> 62 == 0).all():
            return found
    except (OverflowError, TypeError, ValueError):  # tags of damaged files may have any value
        pass
    raise InputError(f"{location}: its table of tiles or strips is damaged: {str(stored)[:60]}; copy the file again")


def check_segments(location: Location, pages: TiffPages, used: set[int], size: int, fill_missing: bool) -> None:
    """Refuse a file that is truncated, or that lacks tiles whose value is not defined.

    Parameters
    ----------
    location : of the file
    pages : all pages of the level
    used : numbers of the pages that will be read
    size : of the file, in bytes
    fill_missing : accept missing tiles, which are read as the fill value
    """
    for number in sorted(used):
        if pages.raw_offsets:
            page_bytes = prod(pages.shape[pages.leading :]) * pages.stored_dtype.itemsize
            offsets, counts = np.array([pages.raw_offsets[number]]), np.array([page_bytes])
        else:
            page = pages.pages[number]
            offsets, counts = (_places(location, stored) for stored in (page.dataoffsets, page.databytecounts))
        down, across = pages.grid
        expected = 1 if pages.raw_offsets else down * across * (pages.samples if pages.planar else 1)
        if len(offsets) != expected or len(counts) != expected:
            raise InputError(
                f"{location}: its table of tiles or strips is incomplete: {len(offsets)} offsets and {len(counts)} "
                f"lengths of {expected}; copy the file again"
            )
        missing = np.flatnonzero((offsets == 0) | (counts == 0))
        if len(missing) and not fill_missing:
            raise InputError(
                f"{location}: {len(missing)} of its {expected} tiles or strips are missing, the first one number "
                f"{missing[0]}; if they were left out because they hold no data, say --fill-missing (in Python "
                "fill_missing=True)"
            )
        end = int((offsets + counts).max())
        length = _length(location, pages.files[number]) if pages.files else size
        if end > length:
            raise InputError(
                f"{location}: is cut short: its pixels reach to byte {end}, the file ends at {length}; copy it again"
            )
