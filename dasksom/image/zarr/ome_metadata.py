"""OME-Zarr 0.4 and 0.5 metadata: which arrays are the levels of an image, what their axes are, how large a pixel is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dasksom.errors import InputError

_OLD_AXES = ("t", "c", "z", "y", "x")
"""Of version 0.1 and 0.2, which do not name them."""


@dataclass(frozen=True)
class Multiscale:
    """One image of an OME-Zarr group, from full resolution down."""

    levels: tuple[str, ...]
    """Path of each level's array inside the group."""
    axes: tuple[str, ...]
    scales: tuple[tuple[float, ...] | None, ...]
    """For each level the length of a pixel along each axis, where it is told."""
    units: tuple[str | None, ...]
    """Of each axis."""
    version: str

    def pixel_size(self, level: int) -> tuple[tuple[float, float] | None, str | None]:
        """Give height and width of a pixel, and their unit; None where they are not told."""
        scale = self.scales[level]
        if scale is None or not {"y", "x"} <= set(self.axes):
            return None, None
        y, x = self.axes.index("y"), self.axes.index("x")
        if self.units[y] is None or self.units[y] != self.units[x]:
            return None, None
        return (scale[y], scale[x]), self.units[y]


def ome_attributes(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the OME part of a group's attributes: below "ome" since 0.5, at the root before."""
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def pyramid_of(named: str, attributes: Mapping[str, Any]) -> Multiscale | None:
    """Read the image that a group's attributes describe; None where they describe none.

    Raises
    ------
    InputError
        They describe one in a way that cannot be understood.
    """
    ome = ome_attributes(attributes)
    if "multiscales" not in ome:
        return None
    try:
        image = ome["multiscales"][0]
        axes = _axes(image.get("axes"))
        whole = _scale(image.get("coordinateTransformations"), len(axes))
        scales = []
        for level in image["datasets"]:
            own = _scale(level.get("coordinateTransformations"), len(axes))
            both = own and tuple(a * b for a, b in zip(own, whole or (1.0,) * len(axes), strict=True))
            scales.append(both)
        found = Multiscale(
            levels=tuple(str(level["path"]) for level in image["datasets"]),
            axes=tuple(name for name, _ in axes),
            scales=tuple(scales),
            units=tuple(unit for _, unit in axes),
            version=str(ome.get("version") or image.get("version") or "0.1"),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{named}: its OME-Zarr metadata cannot be understood ({type(error).__name__}: {error}); "
            "name the array with --component, and its axes with --axes"
        ) from error
    if any(".." in level.split("/") or level.startswith("/") for level in found.levels):
        raise InputError(
            f"{named}: its OME-Zarr metadata names levels outside of it ({', '.join(found.levels)[:80]}); "
            "name the array with --component"
        )
    if not found.levels:
        raise InputError(f"{named}: its OME-Zarr metadata lists no level; name the array with --component")
    return found


def _axes(told: Sequence[Any] | None) -> list[tuple[str, str | None]]:
    if told is None:
        return [(name, None) for name in _OLD_AXES]
    # 0.3 has names alone
    return [
        (axis.lower(), None) if isinstance(axis, str) else (axis["name"].lower(), axis.get("unit")) for axis in told
    ]


def _scale(transformations: Sequence[Mapping[str, Any]] | None, axes: int) -> tuple[float, ...] | None:
    for step in transformations or ():
        if step.get("type") == "scale" and len(step.get("scale", ())) == axes:
            return tuple(float(length) for length in step["scale"])
    return None
