"""Read OME-Zarr metadata, versions 0.1 to 0.6: arrays of the levels of an image, axes, pixel sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dasksom.errors import InputError

_OLD_AXES = ("t", "c", "z", "y", "x")
"""Axes of versions 0.1 and 0.2, which do not declare them."""
_WITHOUT_AXES = ("0.1", "0.2")


@dataclass(frozen=True)
class Multiscale:
    """One image of an OME-Zarr group, from full resolution to the coarsest level."""

    levels: tuple[str, ...]
    """Path of each level's array inside the group."""
    axes: tuple[str, ...]
    scales: tuple[tuple[float, ...] | None, ...]
    """Per level, the size of a pixel along each axis; None if it is not declared."""
    units: tuple[str | None, ...]
    """Unit of each axis."""
    version: str
    channels: tuple[str, ...] = ()
    """Labels of the channels; empty if they are not declared."""

    def pixel_size(self, level: int) -> tuple[tuple[float, float] | None, str | None]:
        """Return height and width of a pixel, and their unit; None if they are not declared."""
        scale = self.scales[level]
        if scale is None or not {"y", "x"} <= set(self.axes):
            return None, None
        y, x = self.axes.index("y"), self.axes.index("x")
        if self.units[y] is None or self.units[y] != self.units[x]:
            return None, None
        return (scale[y], scale[x]), self.units[y]


def has_pyramid(attributes: Mapping[str, Any]) -> bool:
    """Return whether attributes describe an OME-Zarr image; GeoZarr stores an object under the same key."""
    return "multiscales" in (ome := ome_attributes(attributes)) and not isinstance(ome["multiscales"], Mapping)


def ome_attributes(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the OME part of a group's attributes: below "ome" since 0.5, at the top level before."""
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def pyramid_of(named: str, attributes: Mapping[str, Any]) -> Multiscale | None:
    """Read the image that a group's attributes describe; None if they describe none.

    Raises
    ------
    InputError
        The description is invalid.
    """
    ome = ome_attributes(attributes)
    if not has_pyramid(attributes):
        return None
    try:
        image = ome["multiscales"][0]
        version = str(ome.get("version") or image.get("version") or "0.1")
        axes = _axes(_declared_axes(image), version)
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
            version=version,
            channels=_channels(ome.get("omero")),
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


def _channels(omero: Any) -> tuple[str, ...]:
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    listed = channels if isinstance(channels, Sequence) else ()
    return tuple(str(one.get("label") or "") if isinstance(one, Mapping) else "" for one in listed)


def _declared_axes(image: Mapping[str, Any]) -> Sequence[Any] | None:
    """Return the axes of the arrays; since 0.6, those of the coordinate system that the levels are transformed to."""
    if "coordinateSystems" not in image:
        axes: Sequence[Any] | None = image.get("axes")
        return axes
    systems: dict[str, Sequence[Any]] = {system["name"]: system["axes"] for system in image["coordinateSystems"]}
    outputs = [step.get("output") for step in image["datasets"][0].get("coordinateTransformations", ())]
    named = [output.get("name") if isinstance(output, Mapping) else output for output in outputs]
    return next((systems[name] for name in named if name in systems), next(iter(systems.values())))


def _axes(declared: Sequence[Any] | None, version: str) -> list[tuple[str, str | None]]:
    if declared is None:
        if version not in _WITHOUT_AXES:
            raise ValueError(f"version {version} without axes")
        return [(name, None) for name in _OLD_AXES]
    # 0.3 has only names
    return [
        (axis.lower(), None) if isinstance(axis, str) else (axis["name"].lower(), axis.get("unit")) for axis in declared
    ]


def _scale(transformations: Sequence[Mapping[str, Any]] | None, axes: int) -> tuple[float, ...] | None:
    for step in transformations or ():
        if step.get("type") == "sequence":
            return _scale(step.get("transformations"), axes)
        if step.get("type") == "scale" and len(step.get("scale", ())) == axes:
            return tuple(float(length) for length in step["scale"])
    return None
