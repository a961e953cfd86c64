"""Choose the array of a Zarr store that is the image: by name, the only one, or a level of an OME-Zarr scene."""

from __future__ import annotations

from typing import Any

import zarr

from dasksom.errors import InputError
from dasksom.image.sources.selection import Selection
from dasksom.image.zarr.guarded_store import attributes_of, open_node
from dasksom.image.zarr.ome_metadata import Multiscale, has_pyramid, ome_attributes, pyramid_of
from dasksom.storage.locations import Location


def choose_array(location: Location, selection: Selection) -> tuple[str, Multiscale | None, int]:
    """Return the path of the image's array ("" if the root itself is an array), its pyramid, and the level."""
    node, base = open_node(location, ""), ""
    if selection.component is not None:
        if isinstance(node, zarr.Array):
            raise InputError(
                f"{location}: is an array, not a group; leave component={selection.component!r} (--component) out"
            )
        base = selection.component.strip("/")
        node = _member(location, node, base, selection.component)
    if isinstance(node, zarr.Group) and not has_pyramid(attributes_of(node)):
        base, node = _scene(location, node, base, selection.series)
    elif selection.series is not None:
        raise InputError(f"{location}: holds one image; leave --series {selection.series} out")
    if isinstance(node, zarr.Array):
        return _without_level(location, base, selection)
    pyramid = pyramid_of(str(location.below(base)), attributes_of(node))
    if pyramid is None:
        return _without_level(location, _only_image(location, node, base), selection)
    level = selection.level or 0
    if not 0 <= level < len(pyramid.levels):
        raise InputError(
            f"{location.below(base)}: --level {level}: its levels are 0 (full resolution) to {len(pyramid.levels) - 1}"
        )
    return f"{base}/{pyramid.levels[level]}".strip("/"), pyramid, level


def _without_level(location: Location, component: str, selection: Selection) -> tuple[str, None, int]:
    if selection.level:
        raise InputError(f"{location.below(component)}: --level {selection.level}: is no pyramid; it has level 0 only")
    return component, None, 0


def _member(location: Location, group: zarr.Group, base: str, given: str) -> Any:
    try:
        if not base or ".." in base.split("/"):
            raise KeyError(base)
        return group[base]
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{location}: no array {given!r} in this group; it holds {_described(_arrays(location, group))}"
        ) from location.cause(error)


def _scene(location: Location, group: zarr.Group, base: str, series: int | None) -> tuple[str, Any]:
    """Return one image of a group of several in the layout of bioformats2raw: "0", "1", ... below the root."""
    if "bioformats2raw.layout" not in ome_attributes(attributes_of(group)):
        if series is not None:
            raise InputError(f"{location}: --series {series}: is no group of several images; name one with --component")
        return base, group
    listed = ome_attributes(attributes_of(group["OME"])).get("series") if "OME" in group else None
    numbers = range(len(listed)) if listed else sorted(int(name) for name in group.group_keys() if name.isdigit())
    if series is None and len(numbers) > 1:
        raise InputError(f"{location}: holds {len(numbers)} images; say which: --series {numbers[0]} to {numbers[-1]}")
    chosen = series if series is not None else numbers[0] if numbers else 0
    if chosen not in numbers:
        raise InputError(f"{location}: --series {chosen}: its images are {', '.join(map(str, numbers)) or 'none'}")
    scene = f"{base}/{chosen}".strip("/")
    return scene, open_node(location, scene)


def _arrays(location: Location, group: zarr.Group) -> dict[str, zarr.Array[Any]]:
    try:
        return {name: node for name, node in group.members(max_depth=None) if isinstance(node, zarr.Array)}
    except InputError:
        raise
    except Exception as error:
        raise location.refusal(
            f"its members cannot be read: {error}; name the array with --component"
        ) from location.cause(error)


def _only_image(location: Location, group: zarr.Group, base: str) -> str:
    arrays = _arrays(location, group)
    own = [name for name, array in arrays.items() if "/" not in name and _may_be_image(array)]
    if "image" in arrays or len(own) == 1:
        return f"{base}/{'image' if 'image' in arrays else own[0]}".strip("/")
    raise InputError(
        f"{location.below(base)}: which array is the image? this group holds {_described(arrays)}; "
        "say component='NAME' (on the command line --component NAME)"
    )


def _may_be_image(array: zarr.Array[Any]) -> bool:
    return array.ndim >= 2 and array.dtype.kind in "uif"


def _described(arrays: dict[str, zarr.Array[Any]]) -> str:
    described = [f"{name} {array.shape} {array.dtype}" for name, array in sorted(arrays.items())]
    more = [f"and {len(described) - 20} more"] if len(described) > 20 else []
    return "; ".join(described[:20] + more) or "no arrays"
