"""Select the image within a stored array: map its axes, in any order, to (height, width, bands)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dasksom.errors import InputError
from dasksom.image.sources.dtypes_and_axes import BAND_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = ("y", "lat", "latitude", "northing", "row", "rows", "height")
COLUMNS = ("x", "lon", "longitude", "easting", "col", "column", "columns", "width")
"""Names of the row axis (`ROWS`) and of the column axis (`COLUMNS`)."""

ALPHA = ("mask", "drop", "band")
"""Uses of an alpha band: mask transparent pixels, drop the band, or treat it as a band like the others."""

ON_BAD_CHUNK = ("stop", "skip")
"""Ways to handle chunks that cannot be read."""

MOST_BANDS = 1 << 16
"""Largest number of bands."""

Picks = int | tuple[int, ...] | slice
"""One index along an axis, several, or a range."""


@dataclass(frozen=True)
class Selection:
    """The caller's choice of an image within a file, and of accepted defects; None: as the file declares."""

    component: str | None = None
    """Path of an array or image inside a Zarr group."""
    series: int | None = None
    """Number of the image in a file that holds several: TIFF series, OME scene."""
    level: int | None = None
    """Level of a pyramid; 0 is the full resolution."""
    axes: str | None = None
    """The stored axes, one letter each, such as "cyx"; overrides the axes that the file declares."""
    select: tuple[tuple[str, Picks], ...] = ()
    """Indices along axes: one along each axis other than rows, columns and bands; any number of bands."""
    fill_missing: bool = False
    """Read missing chunks and tiles as the fill value (default: error)."""
    allow_outside: bool = False
    """Allow a mosaic to refer to files outside of its own folder."""
    bools: bool = False
    """Accept arrays of bool too, for masks."""
    lenient: bool = False
    """Raise errors for missing or truncated data only when it is read."""
    indices: bool = False
    """Read the indices of pixels into a palette in place of its colors: maps of classes."""


def parse_select(given: Mapping[str, Any] | Iterable[str] | None) -> tuple[tuple[str, Picks], ...]:
    """Parse a selection of indices: {"z": 3} or ["z=3", "c=0,2", "c=0:3"].

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
    """The mapping of the axes of a stored array to rows, columns and bands of an image."""

    roles: tuple[str | int, ...]
    """For each stored axis: "y", "x" or "c" (bands), or the one index along it that belongs to the image."""
    bands: tuple[int, ...]
    """Indices along the band axis; (0,) if there is no such axis."""
    shape: tuple[int, int, int]
    """Height, width, bands of the image."""

    def index(self, window: Sequence[slice]) -> tuple[slice | int | list[int], ...]:
        """Return the index into the stored array of a window of the image, one entry per stored axis."""
        places = self.bands[window[2]]
        first, step = places[0], (places[1] - places[0] if len(places) > 1 else 1)
        plain = step > 0 and places == tuple(range(first, first + step * len(places), step))
        bands: slice | list[int] = slice(first, places[-1] + 1, step) if plain else list(places)
        taken: dict[str, slice | list[int]] = {"y": window[0], "x": window[1], "c": bands}
        return tuple(taken[role] if isinstance(role, str) else role for role in self.roles)

    def of_bands(self, picks: Sequence[int]) -> AxisLayout:
        """Return the layout of some bands of the image, in this order."""
        return AxisLayout(self.roles, tuple(self.bands[pick] for pick in picks), (*self.shape[:2], len(picks)))

    def upright(self, found: NDArray[Any]) -> NDArray[Any]:
        """Rearrange an array that was read with `index` to (rows, columns, bands)."""
        order = [role for role in self.roles if isinstance(role, str)]
        if "c" not in order:
            found, order = found[..., None], [*order, "c"]
        return found.transpose([order.index(role) for role in ("y", "x", "c")])


def plan_axes(named: str, axes: Sequence[str], shape: Sequence[int], selection: Selection) -> AxisLayout:
    """Find rows, columns and bands of an image among the axes of a stored array.

    Parameters
    ----------
    named : name of the image, for messages
    axes : name of each axis
    shape : of the stored array
    selection : the caller's choices

    Raises
    ------
    InputError
        The axes are ambiguous or do not form an image; the message names the options that help.
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
    """Return the band axis; None if the image has one band."""
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
