"""Choose the image within a stored array: axes of any order become (height, width, bands)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.sources.dtypes_and_axes import BAND_NAMES

ROWS = ("y", "lat", "latitude", "northing", "row", "rows", "height")
COLUMNS = ("x", "lon", "longitude", "easting", "col", "column", "columns", "width")
"""Names of the axes along which an image has its rows and its columns."""

ALPHA = ("mask", "drop", "band")
"""Use of a band of opacity: it masks transparent pixels, is left out, or is a band like the others."""

ON_BAD_CHUNK = ("stop", "skip")
"""What is done about chunks that cannot be read."""

MOST_BANDS = 1 << 16
"""Bands that a pixel has at most."""

Picks = int | tuple[int, ...] | slice
"""One place along an axis, several, or a range of them."""


@dataclass(frozen=True)
class Selection:
    """What a person asks for, where a file leaves a choice; None: what the file makes plain."""

    component: str | None = None
    """Path of an array or image inside a Zarr group."""
    series: int | None = None
    """Number of the image in a file of several: TIFF series, OME scene."""
    level: int | None = None
    """Level of a pyramid; 0 is the full resolution."""
    axes: str | None = None
    """What the stored axes are, a letter each, such as "cyx"; in place of what the file says, or does not say."""
    select: tuple[tuple[str, Picks], ...] = ()
    """Places along axes: one along each that is neither rows, columns nor bands; any of the bands."""
    fill_missing: bool = False
    """Take chunks and tiles that the file lacks for its fill value, where they would be an error else."""
    allow_outside: bool = False
    """Take files that a mosaic names outside of its own folder."""
    bools: bool = False
    """Take arrays of bool too, as masks are."""
    lenient: bool = False
    """Let what is missing or cut short be an error where it is read, and not before."""


def parse_select(given: Mapping[str, Any] | Iterable[str] | None) -> tuple[tuple[str, Picks], ...]:
    """Read what was selected: {"z": 3} or ["z=3", "c=0,2", "c=0:3"].

    Raises
    ------
    InputError

    Examples
    --------
    >>> parse_select(["z=3", "c=0,2"])
    (('z', 3), ('c', (0, 2)))
    """
    pairs: Iterable[Any] = ()
    if isinstance(given, Mapping):
        pairs = given.items()
    elif given is not None:
        pairs = (str(text).partition("=")[::2] for text in ([given] if isinstance(given, str) else given))
    picks: dict[str, Picks] = {}
    for axis, what in pairs:
        name = str(axis).strip().lower()
        if not name or name in picks:
            raise InputError(f"--select {axis}={what}: an axis is given once, as in z=3, c=0,2 or c=0:3")
        picks[name] = _picks(name, what)
    return tuple(picks.items())


def _picks(axis: str, what: Any) -> Picks:
    try:
        if isinstance(what, (list, tuple)):
            return tuple(int(number) for number in what)
        text = str(what).strip()
        if ":" in text:
            first, last = (int(part) if part.strip() else None for part in text.split(":"))
            return slice(first, last)
        if "," in text:
            return tuple(int(part) for part in text.split(","))
        return int(text)
    except ValueError:
        raise InputError(
            f"{axis}={what} (--select): places along an axis are numbers from 0 on, such as 3, 0,2 or 0:3"
        ) from None


@dataclass(frozen=True)
class AxisLayout:
    """The axes of a stored array that are rows, columns and bands of an image."""

    roles: tuple[str | int, ...]
    """For each stored axis "y", "x", "c" (bands), or the one place along it that is the image's."""
    bands: tuple[int, ...]
    """Which places along the axis of bands; (0,) where there is no such axis."""
    shape: tuple[int, int, int]
    """Height, width, bands of the image."""

    def index(self, window: Sequence[slice]) -> tuple[slice | int | list[int], ...]:
        """Give what to read of the stored array, one entry for each of its axes."""
        places = self.bands[window[2]]
        first, step = places[0], (places[1] - places[0] if len(places) > 1 else 1)
        plain = step > 0 and places == tuple(range(first, first + step * len(places), step))
        bands: slice | list[int] = slice(first, places[-1] + 1, step) if plain else list(places)
        taken: dict[str, slice | list[int]] = {"y": window[0], "x": window[1], "c": bands}
        return tuple(taken[role] if isinstance(role, str) else role for role in self.roles)

    def upright(self, found: NDArray[Any]) -> NDArray[Any]:
        """Return what `index` has read as (rows, columns, bands)."""
        order = [role for role in self.roles if isinstance(role, str)]
        if "c" not in order:
            found, order = found[..., np.newaxis], [*order, "c"]
        return found.transpose([order.index(role) for role in ("y", "x", "c")])


def plan_axes(named: str, axes: Sequence[str], shape: Sequence[int], selection: Selection) -> AxisLayout:
    """Find rows, columns and bands of an image among the axes of a stored array.

    Parameters
    ----------
    named : what the image is called, for messages
    axes : name of each axis
    shape : of the stored array
    selection : what was asked for

    Raises
    ------
    InputError
        Axes that leave a choice, or do not make an image; the way out is named.
    """
    names = _renamed(named, [axis.lower() for axis in axes], shape, selection.axes)
    lengths = dict(zip(names, shape, strict=True))
    shown = ", ".join(f"{axis}={length}" for axis, length in zip(names, shape, strict=True))
    y, x = (next((name for name in names if name in known), None) for known in (ROWS, COLUMNS))
    if y is None or x is None or len(lengths) != len(names):
        raise InputError(
            f"{named}: its axes are {shown}; an image needs y and x, and every axis a name of its own: "
            f"say what they are, for example --axes {'ctzyx'[-len(names) :]}"
        )
    picks = dict(selection.select)
    for axis in picks:
        if axis not in lengths or axis in (y, x):
            raise InputError(f"{named}: --select {axis}=...: its axes to select along are {_others(lengths, y, x)}")
    bands = _bands_axis(named, lengths, picks, y, x, shown)
    roles: list[str | int] = []
    for axis in names:
        if axis in (y, x, bands):
            roles.append("y" if axis == y else "x" if axis == x else "c")
        else:
            roles.append(_one_place(named, axis, lengths, picks, shown, bands is not None))
    places = _places(named, bands, lengths[bands], picks.get(bands, slice(None))) if bands is not None else (0,)
    return AxisLayout(tuple(roles), places, (lengths[y], lengths[x], len(places)))


def _renamed(named: str, axes: list[str], shape: Sequence[int], given: str | None) -> list[str]:
    if given is None:
        return axes
    letters = list(given.strip().lower())
    if len(letters) != len(shape):
        raise InputError(
            f"{named}: --axes {given}: has {len(letters)} letters, but {len(shape)} axes are stored, "
            f"shape {tuple(shape)}{f' ({chr(32).join(axes)})' if any(axes) else ''}"
        )
    return letters


def _others(lengths: dict[str, int], y: str, x: str) -> str:
    return ", ".join(f"{axis} (0 to {length - 1})" for axis, length in lengths.items() if axis not in (y, x)) or "none"


def _bands_axis(named: str, lengths: dict[str, int], picks: dict[str, Picks], y: str, x: str, shown: str) -> str | None:
    """Return the axis of bands; None where the image has one band."""
    able = [axis for axis in lengths if axis in BAND_NAMES]
    long = [axis for axis in able if lengths[axis] > 1 and not isinstance(picks.get(axis), int)]
    if len(long) > 1:
        raise InputError(
            f"{named}: its axes are {shown}: {' and '.join(long)} may both be bands; "
            f"take one place along one of them, for example --select {long[0]}=0"
        )
    chosen = long or [axis for axis in able if isinstance(picks.get(axis), (tuple, slice))][:1] or able[:1]
    return chosen[0] if chosen and not (isinstance(picks.get(chosen[0]), int) and len(able) > 1) else None


def _one_place(
    named: str, axis: str, lengths: dict[str, int], picks: dict[str, Picks], shown: str, has_bands: bool
) -> int:
    if axis not in picks and lengths[axis] > 1:
        raise InputError(
            f"{named}: its axes are {shown}: an image is one plane of these; take one along {axis} with "
            f"--select {axis}=0 (0 to {lengths[axis] - 1})"
            + ("" if has_bands else f", or say with --axes that {axis} is the bands (c)")
        )
    places = _places(named, axis, lengths[axis], picks.get(axis, 0))
    if len(places) != 1:
        raise InputError(f"{named}: --select {axis}: takes one place, because {axis} is not the bands ({shown})")
    return places[0]


def _places(named: str, axis: str, length: int, pick: Picks) -> tuple[int, ...]:
    if length > MOST_BANDS and isinstance(pick, slice):
        raise InputError(f"{named}: {length} places along {axis} are more bands than {MOST_BANDS}; are its axes right?")
    places = tuple(range(length)[pick]) if isinstance(pick, slice) else (pick,) if isinstance(pick, int) else pick
    if not places or not all(0 <= place < length for place in places):
        shown = f"{pick.start or 0}:{length if pick.stop is None else pick.stop}" if isinstance(pick, slice) else pick
        raise InputError(f"{named}: {axis}={shown} (--select): there are places from 0 to {length - 1}")
    return places
