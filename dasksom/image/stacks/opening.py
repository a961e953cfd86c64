"""Open the files or arrays of a stack as the parts of one picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dasksom.image.picture_assembly import PictureParts
from dasksom.image.read_options import ReadOptions
from dasksom.image.sources.bands import BandPicks
from dasksom.image.sources.masks import mask_of
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.selection import Selection
from dasksom.image.stacks.assembly import StackMember, members_of_bands, open_stack, stack_member, with_names
from dasksom.image.stacks.band_files import files_of, names_of_files
from dasksom.storage.locations import Location, locate


def open_stack_parts(
    image: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    options: ReadOptions,
    open_header: Callable[[Location, Selection], OpenedImage],
) -> PictureParts:
    """Open each file or array of a stack; read headers, never pixels.

    Parameters
    ----------
    image : path of a folder or file, or paths of the files
    options : ReadOptions
    open_header : opens one location

    Raises
    ------
    InputError
        A file cannot be used, or the files do not fit together.
    """
    paths = files_of(image)
    named = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    one = options.component is None or isinstance(options.component, str)
    components: Sequence[Any] = (options.component,) if one else tuple(options.component or ())
    places = [(path, component) for path in paths for component in components]
    short_names = names_of_files(paths if len(components) == 1 else list(components))
    members = []
    for (path, component), short_name in zip(places, short_names * (len(places) // len(short_names)), strict=True):
        location = locate(path, options.storage)
        opened = open_header(location, replace(options.selection, component=component))
        shown_name = f"{location}/{component}" if component is not None else str(location)
        members.append(stack_member(shown_name, short_name, opened, options.alpha, options.nodata is None))
    return _parts_of(str(named), with_names(members), None)


def _parts_of(named: str, members: Sequence[StackMember], wanted: BandPicks | None) -> PictureParts:
    chosen = list(members) if wanted is None else members_of_bands(named, members, wanted)
    height, width = (max(member.source.shape[axis] for member in chosen) for axis in (0, 1))
    opened = open_stack(named, chosen, (height, width))
    masks = {name: mask_of(mask, (height, width), f"{named} ({name})") for name, mask in opened.masks.items()}
    select = partial(_parts_of, named, members)
    return PictureParts(named, opened, opened.source, alpha="band", masks=masks, select=select)
