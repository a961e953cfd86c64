"""Names of bands, their selection by name or number, and sources of selected bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError, nearest_name
from dasksom.image.sources.numpy_indexing import NumpyIndexing

if TYPE_CHECKING:
    from dasksom.image.sources.protocol import PixelWindow, Source
    from dasksom.storage.locations import Member

BandPicks = str | Sequence[str | int]
"""Bands in order: names or numbers from 0, or a text of them with commas."""

_MOST_LISTED = 40


def complete_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Return one name per band, where missing ones become "band 3"; empty if no band has a name."""
    known = [str(name).strip() for name in names[:count]]
    if not any(known):
        return ()
    known += [""] * (count - len(known))
    return tuple(name or f"band {number}" for number, name in enumerate(known))


def running_numbers(names: Sequence[str]) -> bool:
    """Return whether names are only the numbers of the bands, from 0 or from 1."""
    return list(names) in [[str(number) for number in range(first, first + len(names))] for first in (0, 1)]


def listed_bands(names: Sequence[str], count: int) -> str:
    """Return the numbers and names of bands, for messages."""
    shown = [f"{number} {name}" for number, name in enumerate(names[:_MOST_LISTED])]
    if not shown:
        return f"0 to {count - 1}, without names"
    return ", ".join(shown) + (f" and {count - _MOST_LISTED} more" if count > _MOST_LISTED else "")


def find_bands(named: str, wanted: BandPicks, names: Sequence[str], count: int) -> tuple[int, ...]:
    """Return the numbers of bands that are selected by name or number.

    Parameters
    ----------
    named : name of the image, for messages
    wanted : names or numbers in the wanted order; a name that is a number takes precedence
    names : of the bands; empty if they have none
    count : number of bands

    Raises
    ------
    InputError
        A band is unknown, ambiguous or selected twice.

    Examples
    --------
    >>> find_bands("a.tif", "CD45,0", ["DAPI", "CD3", "CD45"], 3)
    (2, 0)
    """
    if isinstance(wanted, str):
        wanted = [wanted] if wanted.strip() in names else [part.strip() for part in wanted.split(",")]
    picks = [_find_band(named, one, names, count) for one in wanted]
    twice = next((pick for number, pick in enumerate(picks) if pick in picks[:number]), None)
    if twice is not None or not picks:
        shown = "no band" if twice is None else f"band {twice}{f' ({names[twice]})' if names else ''} twice"
        raise InputError(f"{named}: --bands: selects {shown}; its bands are {listed_bands(names, count)}")
    return tuple(picks)


def _find_band(named: str, one: str | int, names: Sequence[str], count: int) -> int:
    places = [number for number, name in enumerate(names) if name == one]
    if len(places) > 1:
        raise InputError(
            f"{named}: --bands {one}: bands {', '.join(map(str, places))} have this name; give the number of one"
        )
    if places:
        return places[0]
    if not isinstance(one, bool) and str(one).isdecimal() and int(one) < count:
        return int(one)
    raise InputError(
        f"{named}: --bands {one}: no band has this name or number; its bands are {listed_bands(names, count)}"
        f"{nearest_name(str(one), names)}"
    )


@runtime_checkable
class PicksBands(Protocol):
    """A source that reads some of its bands without decoding the others."""

    def of_bands(self, picks: tuple[int, ...]) -> Source:
        """Return a source of some bands, in this order."""


@dataclass(frozen=True)
class BandSource(NumpyIndexing):
    """Some bands of a source, in any order."""

    source: Source
    picks: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, number of selected bands."""
        return (*self.source.shape[:2], len(self.picks))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the source."""
        return self.source.dtype

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """Storage chunks of the source."""
        return self.source.storage_chunks

    @property
    def identity(self) -> tuple[Any, ...]:
        """Identity of the source, with the selection."""
        return "bands", self.source.identity, self.picks

    def members(self) -> Iterator[Member]:
        """List the files of the source."""
        return self.source.members()

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window; see `Source`."""
        picks = self.picks[window[2]]
        first, last = min(picks), max(picks) + 1
        found = self.source.read((*window[:2], slice(first, last)))
        return np.ascontiguousarray(found[:, :, [pick - first for pick in picks]])


def of_bands(source: Source, picks: Sequence[int]) -> Source:
    """Return a source of some bands of a source, in this order."""
    chosen = tuple(picks)
    if chosen == tuple(range(source.shape[2])):
        return source
    return source.of_bands(chosen) if isinstance(source, PicksBands) else BandSource(source, chosen)


@runtime_checkable
class DecodesMore(Protocol):
    """A source that decodes more bytes per pixel than it returns, such as bands that are not selected."""

    @property
    def decoded_pixel_bytes(self) -> int:
        """Bytes per pixel."""


def decoded_pixel_bytes(source: Source) -> int:
    """Return the bytes per pixel that a source decodes, those of bands that are not selected included."""
    own = source.decoded_pixel_bytes if isinstance(source, DecodesMore) else 0
    inner = getattr(source, "source", None)
    return max(own, source.shape[2] * source.dtype.itemsize, 0 if inner is None else decoded_pixel_bytes(inner))
