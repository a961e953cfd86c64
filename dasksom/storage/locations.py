"""The location of an image: a local path, or the URL of a remote store and its options.

Locations are sent to the workers inside sources, so they include the store's options with keys and passwords. These
secrets never appear in str, repr (dask logs the arguments of failed tasks) or error messages. Task keys are derived
from `Location.name`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from dasksom.errors import InputError
from dasksom.redaction import HIDDEN, redact
from dasksom.storage.local_paths import Stamp, absolute_path, stamp_of

Member = tuple[str, Stamp | None]
"""Name of a file, and its version; None if the file does not exist."""

STORES = {"s3": "s3fs", "http": "aiohttp", "https": "aiohttp", "gs": "gcsfs", "abfs": "adlfs"}
"""URL schemes that can be read, and the package that each needs."""

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")
_BLOCK = 2**20
_RANGES_AT_ONCE = 64
_SHORTEST_SECRET = 4


@dataclass(frozen=True, repr=False)
class Location:
    """A local path or a URL; picklable and hashable."""

    path: str
    """Absolute path, or URL; may hold a password or a signature."""
    options: str = field(default="", repr=False)
    """Options of the store's file system, as JSON."""

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Location({self.name!r})"

    @property
    def remote(self) -> bool:
        """Whether this is a URL."""
        return _SCHEME.match(self.path) is not None

    @property
    def lists_nothing(self) -> bool:
        """Whether the server cannot list its files."""
        return urlsplit(self.path).scheme.lower() in ("http", "https")

    @property
    def name(self) -> str:
        """The path or URL, without user, password and query."""
        if not self.remote:
            return self.path
        url = urlsplit(redact(self.path))
        return urlunsplit((url.scheme, url.netloc.rpartition("@")[2], url.path, "", ""))

    @property
    def local(self) -> Path:
        """The local path; only valid if not `remote`."""
        return Path(self.path)

    @property
    def file_name(self) -> str:
        """The last component of the path, in lower case."""
        return self.name.rstrip("/").rpartition("/")[2].lower()

    def storage_options(self) -> dict[str, Any]:
        """Return the options of the store's file system."""
        options: dict[str, Any] = json.loads(self.options or "{}")
        return options

    def below(self, *parts: str) -> Location:
        """Return the location of a file or folder below this one."""
        inside = "/".join(part.strip("/") for part in parts if part.strip("/"))
        if not inside:
            return self
        if not self.remote:
            return replace(self, path=str(self.local / inside))
        url = urlsplit(self.path)
        return replace(self, path=urlunsplit(url._replace(path=f"{url.path.rstrip('/')}/{inside}")))

    # --------------------------------------------------------------------------------------------------------- errors

    def refusal(self, text: str) -> InputError:
        """Return an error with this location's secrets removed from its text, which may quote a library's message."""
        return InputError(f"{self.name}: {self._without_secrets(text)}")

    def cause(self, error: Exception) -> Exception | None:
        """Return the cause to raise an error from: None for remote stores, whose errors quote URLs and headers."""
        return None if self.remote else error

    def _without_secrets(self, text: str) -> str:
        if not self.remote:
            return text
        url = urlsplit(self.path)
        secrets = [self.path, url.query, url.username or "", url.password or "", *_texts(self.storage_options())]
        secrets += [value for pair in url.query.split("&") for value in (pair.partition("=")[2], pair)]
        secrets += [form for secret in secrets for form in (unquote(secret), quote(secret), quote(secret, safe=""))]
        text = text.replace(self.path, self.name)
        for secret in sorted(set(secrets), key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, HIDDEN)
        return redact(text)

    # --------------------------------------------------------------------------------------------------------- reading

    def stamp(self) -> Stamp:
        """Return the version of the file; OSError if it does not exist."""
        if not self.remote:
            return stamp_of(self.path)
        system, path = file_system(self)
        record = system.info(path)
        if record.get("size") is None:
            raise OSError("the server does not report its size")
        return _stamp_of_record(record)

    def member(self) -> Member:
        """Return the file's name and current version."""
        if self.remote:
            file_system(self)[0].invalidate_cache()
        try:
            return self.name, self.stamp()
        except OSError:
            return self.name, None

    def members(self, keys: Iterable[str]) -> Iterator[Member]:
        """Yield files below this location and their versions; uses one listing for many files where possible."""
        listed = listed_below(self)
        for key in keys:
            if listed is not None:
                yield key, listed.get(key)
            elif self.remote:
                yield self.below(key).member()
            else:
                try:
                    yield key, stamp_of(f"{self.path}/{key}")
                except OSError:
                    yield key, None

    def exists(self) -> bool:
        """Return whether the file exists."""
        if not self.remote:
            return self.local.is_file()
        system, path = file_system(self)
        return bool(system.isfile(path) if urlsplit(self.path).scheme == "s3" else system.exists(path))

    def open(self) -> BinaryIO:
        """Open the file for random access, for headers."""
        if not self.remote:
            return open(self.path, "rb")
        system, path = file_system(self)
        file: BinaryIO = system.open(path, "rb", block_size=_BLOCK, cache_type="blockcache")
        return file

    def write(self, content: bytes) -> None:
        """Write an object to the store atomically; InputError on failure."""
        system, path = file_system(self)
        try:
            system.pipe_file(path, content)
        except Exception as error:
            raise self.refusal(f"cannot be written: {error}") from None

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset`, or fewer at the end of the file."""
        return next(self.read_parts([(offset, count)]))

    def read_parts(self, parts: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """Yield byte ranges (offset, count) in order, cut at the end of the file; read remote ones concurrently."""
        if not self.remote:
            with open(self.path, "rb", buffering=0) as file:
                for offset, count in parts:
                    file.seek(offset)
                    yield file.read(count)
            return
        system, path = file_system(self)
        rest = iter(parts)
        while some := list(islice(rest, _RANGES_AT_ONCE)):
            yield from system.cat_ranges(
                [path] * len(some),
                [offset for offset, _ in some],
                [offset + count for offset, count in some],
                on_error="raise",  # otherwise errors are returned as values
            )


def locate(path: str | os.PathLike[str], storage: Mapping[str, Any] | None = None) -> Location:
    """Return the location for a path or URL given by the user.

    Parameters
    ----------
    path : local path, ``file://`` URL or URL of a remote store
    storage : options of the remote store's file system (fsspec), such as key, secret, endpoint_url, anon

    Raises
    ------
    InputError
        Empty path, or unsupported URL scheme.
    """
    text = os.fspath(path)
    matched = _SCHEME.match(text) if isinstance(text, str) else None
    if matched is None or matched[1].lower() == "file":
        return Location(str(absolute_path(path)))
    scheme = matched[1].lower()
    if scheme not in STORES or "::" in text:
        raise InputError(
            f"{Location(text)}: URLs of {scheme}:// are not read; accepted are local paths and "
            f"{', '.join(f'{known}://' for known in STORES)}: copy the image to one of these"
        )
    try:
        options = json.dumps(dict(storage or {}), sort_keys=True)
    except TypeError:
        raise InputError("storage: text, numbers, lists and mappings are accepted, nothing else") from None
    return Location(text, options)


def listed_below(location: Location) -> dict[str, Stamp] | None:
    """Return the versions of all objects below a location, by relative name; None if local or not listable.

    Raises
    ------
    InputError
        The store cannot be reached.
    """
    if not location.remote or location.lists_nothing:
        return None
    system, path = file_system(location)
    system.invalidate_cache()
    try:
        objects = system.find(path, detail=True)
    except Exception as error:
        raise location.refusal(f"its objects cannot be listed: {error}") from None
    start = len(path.rstrip("/")) + 1
    return {name[start:]: _stamp_of_record(record) for name, record in objects.items()}


def _stamp_of_record(record: Mapping[str, Any]) -> Stamp:
    changed = next((record[key] for key in ("ETag", "LastModified", "Last-Modified", "mtime") if record.get(key)), 0)
    return int(record["size"]), str(changed)


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is the URL of a remote store."""
    matched = _SCHEME.match(str(path))
    return matched is not None and matched[1].lower() != "file"


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path or URL for display: without user, password and query."""
    return Location(str(path)).name


@lru_cache(maxsize=32)
def file_system(location: Location) -> tuple[Any, str]:
    """Return the file system of a store and the location's path in it; InputError if it cannot be opened."""
    import fsspec  # with asyncio and ssl, which local files need not wait for

    scheme = urlsplit(location.path).scheme.lower()
    try:
        system, path = fsspec.url_to_fs(location.path, **location.storage_options())
    except ImportError:
        raise location.refusal(
            f"{scheme}:// takes the package {STORES[scheme]}: pip install 'dasksom[remote]' (s3, https) or "
            f"pip install {STORES[scheme]}"
        ) from None
    except Exception as error:
        raise location.refusal(f"the store cannot be opened: {error}; check input.storage and output.storage") from None
    return system, path


def _texts(value: Any) -> Sequence[str]:
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []
