"""Reads that fail for a moment: tried again, later each time, and counted."""

import errno
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from dasksom.errors import InputError

Found = TypeVar("Found")

DELAYS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each new try, more or less: workers that failed together should not come back together."""
_LASTING = (InputError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, MemoryError)
_PASSING = {
    getattr(errno, name)
    for name in (
        *("EAGAIN", "EBUSY", "EINTR", "EIO", "ESTALE", "ETIMEDOUT", "EPIPE"),
        *("ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETDOWN", "ENETRESET", "ENETUNREACH"),
    )
    if hasattr(errno, name)
}
_OF_NETWORKS = ("aiohttp", "aiobotocore", "botocore", "urllib3", "requests")
"""Packages whose own errors are of connections, where they tell no status."""
_TRY_LATER = (408, 425, 429)

_here = threading.local()


class GaveUpError(Exception):
    """A read that failed each time that it was tried."""


def is_passing(error: BaseException) -> bool:
    """Tell whether an error may be gone a moment later: a network's or a busy store's, but not that of damaged data.

    >>> is_passing(ConnectionResetError()), is_passing(FileNotFoundError()), is_passing(ValueError())
    (True, False, False)
    """
    if isinstance(error, _LASTING):
        return False
    status = getattr(error, "status", None)
    if isinstance(status, int) and status:
        return status in _TRY_LATER or status >= 500
    if isinstance(error, (TimeoutError, ConnectionError)):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _PASSING
    return type(error).__module__.partition(".")[0] in _OF_NETWORKS


def patiently(read: Callable[[], Found]) -> Found:
    """Read, again and again if it fails in a way that may pass; other errors are raised at once.

    Raises
    ------
    GaveUpError
        If it failed to the last.
    """
    for delay in DELAYS:
        try:
            return read()
        except Exception as error:
            if not is_passing(error):
                raise
            _here.retries = getattr(_here, "retries", 0) + 1
        time.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 - nothing secret, and no result depends on it
    try:
        return read()
    except Exception as error:
        if not is_passing(error):
            raise
        raise GaveUpError(f"{error or type(error).__name__} (tried {len(DELAYS) + 1} times)") from error


def take_retries() -> int:
    """Give how often reads were tried again in this thread since this was last asked."""
    found = getattr(_here, "retries", 0)
    _here.retries = 0
    return int(found)
