"""Marks of our files: modification times whose last digits are a checksum of the others and of the size.

A file that another program creates or changes has such a time by chance once in 99,999 times. File systems that store
full seconds only lose the marks; there, our files are recognized by their names.
"""

from __future__ import annotations

import os
import zlib

_SECOND, _HUNDREDTH, _UNIT = 10**9, 10**7, 100
"""Nanoseconds of a second, of the part of the time that is kept, and of the checksum's last digit."""


def marked_time(size: int, now: int) -> int:
    """Return the modification time, in ns, of a file of ours that is written now."""
    hundredths = now // _HUNDREDTH
    checksum = zlib.crc32(f"dasksom {size} {hundredths}".encode()) % 99_999 + 1
    return hundredths * _HUNDREDTH + checksum * _UNIT


def is_marked(status: os.stat_result) -> bool:
    """Return whether a file has the modification time that only our files have."""
    time = status.st_mtime_ns
    return time // _UNIT == marked_time(status.st_size, time) // _UNIT
