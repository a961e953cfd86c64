"""Errors that dasksom raises: one family, so that callers can catch them and no others."""

import difflib
from collections.abc import Iterable


class DasksomError(Exception):
    """Base of all errors that dasksom raises deliberately; the message is written for users."""

    exit_code = 1


class InputError(DasksomError, ValueError):
    """A path, value or array cannot be used; the message says what was found, what is accepted, and the way out."""

    exit_code = 2


class DeadlyTaskError(DasksomError):
    """Several workers died at the same task: it crashes them, or needs more memory than they have."""


class DeviceMemoryError(InputError):
    """The memory of a GPU is too small; without its use, the result is the same."""


class InputTypeError(InputError, TypeError):
    """An array does not hold numbers; a TypeError by scikit-learn's conventions."""


def nearest_name(given: str, known: Iterable[str]) -> str:
    """Return "; did you mean NAME?" for the known name that is most like a given one; empty if none is like it."""
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(given.casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""
