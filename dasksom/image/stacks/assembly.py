"""Assemble opened images to one image of all their bands; refuse what does not fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dasksom.errors import InputError
from dasksom.image.metadata.geo_tags import at_level, corners, crs_name, warp_command
from dasksom.image.sources.bands import complete_names, find_bands, of_bands
from dasksom.image.sources.masks import holds
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.protocol import Source
from dasksom.image.stacks.stacked_source import DataMask, StackedSource, StackPart, common_dtype

_TOLERANCE = 0.01
"""Largest difference of the extents of bands, in pixels of the finest band."""
_MOST_LISTED = 12


@dataclass(frozen=True, eq=False)
class StackMember:
    """One file or array of a stack."""

    named: str
    short_name: str
    """Name for its band, if the file declares none."""
    opened: OpenedImage
    masks: Mapping[str, Source]
    """Masks of its size, by name."""
    nodata: float | None
    names: tuple[str, ...] = ()
    """Names of the bands in the stack."""

    @property
    def source(self) -> Source:
        """Pixels of the bands."""
        return self.opened.source


def stack_member(named: str, short_name: str, opened: OpenedImage, alpha: str | None, own_nodata: bool) -> StackMember:
    """Return a file as a member of a stack: its alpha band becomes a mask.

    Parameters
    ----------
    named, short_name, opened : see `StackMember`
    alpha : the `alpha` option, see `ReadOptions`
    own_nodata : whether the no-data value that the file declares is used
    """
    source, masks = opened.source, dict(opened.masks)
    names = complete_names(opened.band_names, source.shape[2])
    if opened.alpha is not None and alpha != "band" and source.shape[2] > 1:
        colors = [band for band in range(source.shape[2]) if band != opened.alpha]
        if alpha != "drop":
            masks["alpha"] = of_bands(source, (opened.alpha,))
        names = tuple(names[band] for band in colors) if names else ()
        opened = replace(opened, source=of_bands(source, colors), alpha=None)
    if own_nodata and opened.nodata_problem is not None:
        raise InputError(f"{named}: {opened.nodata_problem}; give one with --nodata VALUE, or --nodata none")
    nodata = opened.nodata if own_nodata and opened.nodata is not None else None
    if nodata is not None and not holds(source.dtype, nodata):
        nodata = None
    return StackMember(named, short_name, replace(opened, band_names=names), masks, nodata)


def with_names(members: Sequence[StackMember]) -> list[StackMember]:
    """Return members with the names of their bands: those that the files declare if they differ, else of the files."""
    own = [name for member in members for name in member.opened.band_names]
    declared = all(member.opened.band_names for member in members) and len(set(own)) == len(own)
    named = []
    for member in members:
        count, names = member.source.shape[2], member.opened.band_names
        if not declared:
            inner = names or [str(band) for band in range(count)]
            names = (member.short_name,) if count == 1 else tuple(f"{member.short_name} {name}" for name in inner)
        named.append(replace(member, names=names))
    return named


def members_of_bands(named: str, members: Sequence[StackMember], wanted: Any) -> list[StackMember]:
    """Return members that hold only the selected bands, in their order; a file may become several members.

    Raises
    ------
    InputError
        A band is unknown, ambiguous or selected twice.
    """
    places = [(member, band) for member in members for band in range(member.source.shape[2])]
    names = [member.names[band] for member, band in places]
    chosen = [places[pick] for pick in find_bands(named, wanted, names, len(names))]
    return [_band_of(member, band) for member, band in chosen]


def _band_of(member: StackMember, band: int) -> StackMember:
    opened = replace(member.opened, source=of_bands(member.source, (band,)))
    return replace(member, opened=opened, names=(member.names[band],))


def open_stack(named: str, members: Sequence[StackMember], size: tuple[int, int]) -> OpenedImage:
    """Return the bands of all members as one image.

    In stacks of floats, a band's no-data value and masks become NaN, so that the `missing` option decides. In stacks of
    integers, a no-data value that all members declare is that of the stack; others, and masks, become masks of it.

    Parameters
    ----------
    named : name of the stack, for messages
    members : with their names
    size : height and width of the stack

    Raises
    ------
    InputError
        The members differ in coordinate reference system, extent or resolution, or their dtypes have no common one.
    """
    finest = check_members(members, size)
    dtype = common_dtype([member.source.dtype for member in members])
    if dtype is None:
        kinds = sorted({str(member.source.dtype) for member in members})
        raise InputError(
            f"{named}: no type holds all values of bands of {' and '.join(kinds)}; convert them to one type"
        )
    floats = dtype.kind == "f"
    values = {member.nodata for member in members}
    shared = len(values) == 1 and not floats
    parts: list[StackPart] = []
    masks: dict[str, Source] = {}
    for member in members:
        height, width, _ = member.source.shape
        factor = size[0] // height, size[1] // width
        own = tuple(member.masks.values()) if floats else ()
        nodata = member.nodata if floats and member.nodata == member.nodata else None
        parts.append(StackPart(member.source, factor, nodata, own))
        if not floats:
            masks |= {f"{name} of {member.short_name}": mask for name, mask in member.masks.items()}
            if not shared and member.nodata is not None:
                masks[f"no-data value of {member.short_name}"] = DataMask(member.source, member.nodata)
    header = finest.opened
    shape = (*size, sum(member.source.shape[2] for member in members))
    return OpenedImage(
        source=StackedSource(tuple(parts), shape, dtype),
        nodata=values.pop() if shared else None,
        masks=masks,
        geo_tags=_geo_tags(members, size),
        pixel_size=header.pixel_size,
        unit=header.unit,
        band_names=tuple(name for member in members for name in member.names),
        about=_about(members, header),
    )


def _geo_tags(members: Sequence[StackMember], size: tuple[int, int]) -> Any:
    placed = [member for member in members if member.opened.geo_tags]
    best = max(placed, key=lambda member: member.source.shape[0], default=None)
    if best is None:
        return ()
    shrink = best.source.shape[0] / size[0], best.source.shape[1] / size[1]
    return tuple(at_level(tag, shrink) for tag in best.opened.geo_tags)


def _about(members: Sequence[StackMember], header: OpenedImage) -> dict[str, str]:
    files = list(dict.fromkeys(member.named for member in members))
    sizes = sorted({member.source.shape[:2] for member in members}, reverse=True)
    listed = ", ".join(files[:_MOST_LISTED]) + (
        f" and {len(files) - _MOST_LISTED} more" if len(files) > _MOST_LISTED else ""
    )
    about = {
        "format": f"stack of {len(files)} files or arrays ({header.about.get('format', 'images')})",
        "files": listed,
    }
    if len(sizes) > 1:
        about["resolutions"] = ", ".join(f"{width} x {height}" for height, width in sizes)
    return about | {name: header.about[name] for name in ("place on earth", "georeference") if name in header.about}


def check_members(members: Sequence[StackMember], size: tuple[int, int]) -> StackMember:
    """Refuse members that do not cover the same region in integer ratios of resolution; return the finest.

    Raises
    ------
    InputError
        The message has the command of GDAL that mends it.
    """
    finest = max(members, key=lambda member: (member.source.shape[0], bool(member.opened.geo_tags)))
    for member in members:
        problem = _misfit(member, finest, size)
        if problem is not None:
            raise InputError(
                f"{member.named}: {problem}, so it is no band of the same image; {_command(member, finest, size)}"
            )
    return finest


def _misfit(member: StackMember, finest: StackMember, size: tuple[int, int]) -> str | None:
    tags, others = member.opened.geo_tags, finest.opened.geo_tags
    names = crs_name(tags), crs_name(others)
    if all(names) and names[0] != names[1]:
        return f"its coordinate reference system is {names[0]}, that of {finest.named} {names[1]}"
    height, width = member.source.shape[:2]
    own, reference = corners(tags, (height, width)), corners(others, finest.source.shape[:2])
    if own is not None and reference is not None:
        pixel = np.abs(reference[1] - reference[0]) / (finest.source.shape[1], finest.source.shape[0])
        if (np.abs(own - reference) > _TOLERANCE * pixel).any():
            shown = ["({:.10g}, {:.10g}) to ({:.10g}, {:.10g})".format(*ends.ravel()) for ends in (own, reference)]
            return f"its corners are {shown[0]}, those of {finest.named} {shown[1]}"
    if size[0] % height or size[1] % width:
        return f"it has {width} x {height} pixels, and the finest band {size[1]} x {size[0]}: no integer ratio"
    return None


def _command(member: StackMember, finest: StackMember, size: tuple[int, int]) -> str:
    warp = warp_command(finest.opened.geo_tags, size, member.named)
    if warp is None or corners(member.opened.geo_tags, member.source.shape[:2]) is None:
        target = f"-outsize {size[1]} {size[0]} -r nearest {member.named} OUT.tif"
        return f"resample it to the finest band: gdal_translate {target}"
    return f"warp it to that one: {warp}"
