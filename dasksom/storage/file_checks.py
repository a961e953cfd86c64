"""Check files before reading: reachable, size within a limit, unchanged since opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dasksom.errors import InputError
from dasksom.storage.local_paths import Stamp
from dasksom.storage.locations import Location, locate


def check_reachable(location: Location) -> None:
    """Reject a remote file that does not exist or cannot be read.

    Raises
    ------
    InputError
    """
    try:
        size, _ = location.stamp()
        if size and len(location.read(0, 1)) > 1:
            raise OSError("the server only sends complete files (it ignores Range)")
    except InputError:
        raise
    except FileNotFoundError:
        raise location.refusal("there is no such file, or no such server; check the URL") from None
    except PermissionError:
        raise location.refusal(
            "no permission to read it; give credentials as the store's own tools take them (environment, profile), "
            "or in input.storage of a configuration file"
        ) from None
    except Exception as error:
        raise location.refusal(f"cannot be reached: {error}; check the URL and input.storage") from None
    if size == 0:
        raise location.refusal("is empty (0 bytes); was it copied completely?")


def read_object(url: str, storage: Mapping[str, Any] | None, most: int) -> tuple[str, bytes]:
    """Return the name and content of a remote file of at most `most` bytes; InputError if it cannot be read."""
    location = locate(url, storage)
    check_reachable(location)
    size = location.stamp()[0]
    if size > most:
        raise location.refusal(f"has {size} bytes; at most {most} are expected of such a file")
    try:
        return location.name, location.read(0, size)
    except Exception as error:
        raise location.refusal(f"cannot be read: {error}") from None


def check_size_unchanged(location: Location, stamp: Stamp) -> None:
    """Raise InputError if a file's size changed since it was opened: tile offsets would be wrong.

    Only the size is compared: copies of a file on several nodes may have different modification times.
    """
    size = location.stamp()[0]
    if size != stamp[0]:
        raise InputError(
            f"{location}: has {size} bytes, but had {stamp[0]} when it was opened; files must not "
            "change while a run reads them"
        )
