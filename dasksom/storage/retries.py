"""Retry reads after transient errors, with backoff, and count the retries."""

import errno
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from dasksom.errors import InputError

_T = TypeVar("_T")

DELAYS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each retry, with jitter: workers that failed together should not retry together."""
_PERMANENT = (InputError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, MemoryError)
_TRANSIENT = {
    getattr(errno, name)
    for name in (
        *("EAGAIN", "EBUSY", "EINTR", "EIO", "ESTALE", "ETIMEDOUT", "EPIPE"),
        *("ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETDOWN", "ENETRESET", "ENETUNREACH"),
    )
    if hasattr(errno, name)
}
_NETWORK_PACKAGES = ("aiohttp", "aiobotocore", "botocore", "urllib3", "requests")
"""Packages whose errors without a status code concern connections."""
_TRY_LATER = (408, 425, 429)

_thread = threading.local()


class RetriesExhaustedError(Exception):
    """A read that failed on every attempt."""


def is_transient(error: BaseException) -> bool:
    """Return whether an error may disappear: one of a network or a busy store, but not of damaged data.

    >>> is_transient(ConnectionResetError()), is_transient(FileNotFoundError()), is_transient(ValueError())
    (True, False, False)
    """
    if isinstance(error, _PERMANENT):
        return False
    status = getattr(error, "status", None)
    if isinstance(status, int) and status:
        return status in _TRY_LATER or status >= 500
    if isinstance(error, (TimeoutError, ConnectionError)):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _TRANSIENT
    return type(error).__module__.partition(".")[0] in _NETWORK_PACKAGES


def retry(read: Callable[[], _T]) -> _T:
    """Call a function and retry it after transient errors; other errors are raised at once.

    Raises
    ------
    RetriesExhaustedError
        If every attempt failed.
    """
    for delay in DELAYS:
        try:
            return read()
        except Exception as error:
            if not is_transient(error):
                raise
            _thread.retries = getattr(_thread, "retries", 0) + 1
        time.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 - nothing secret, and no result depends on it
    try:
        return read()
    except Exception as error:
        if not is_transient(error):
            raise
        raise RetriesExhaustedError(f"{error or type(error).__name__} (tried {len(DELAYS) + 1} times)") from error


def take_retries() -> int:
    """Return the number of retries in this thread since the last call, and reset it."""
    retries = int(getattr(_thread, "retries", 0))
    _thread.retries = 0
    return retries
