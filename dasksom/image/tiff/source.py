"""Read TIFF and BigTIFF, tiled or in strips, OME-TIFF, GeoTIFF and slides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.sources.masks import holds
from dasksom.image.sources.numpy_indexing import NumpyIndexing
from dasksom.image.sources.orientation import is_turned, upright
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.protocol import PixelWindow, shown_window
from dasksom.image.sources.selection import AxisLayout, Selection, plan_axes
from dasksom.image.tiff.color_tables import look_up_colors
from dasksom.image.tiff.layout import Band, TiffLayout, tiff_layout
from dasksom.image.tiff.pages import TiffLevel
from dasksom.image.tiff.raw_rows import read_raw_rows
from dasksom.image.tiff.segment_checks import check_segments
from dasksom.image.tiff.segments import read_segments
from dasksom.storage.local_paths import Stamp
from dasksom.storage.locations import Location, Member
from dasksom.storage.retries import retry


@dataclass(frozen=True)
class TiffSource(NumpyIndexing):
    """One image of a TIFF at one level; reading a window decodes only the tiles that it intersects."""

    location: Location
    stamp: Stamp
    part: TiffLevel
    view: AxisLayout
    dtype: np.dtype[Any]
    storage_chunks: tuple[int, int]
    fill_missing: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, bands."""
        return self.view.shape

    @property
    def identity(self) -> tuple[Any, ...]:
        """Path, size and modification time, and the selection within the file."""
        part = self.part.series, self.part.level, self.part.mask, self.part.indices
        return "tiff", self.location.name, self.stamp, part, self.view.roles, self.view.bands

    def members(self) -> Iterator[Member]:
        """Yield the TIFF, or all files of an OME-TIFF of several files."""
        files = {self.location}
        with suppress(InputError):  # the file has changed
            files |= set(tiff_layout(self.location, self.stamp, self.part).pages.files)
        return (file.member() for file in sorted(files, key=str))

    @property
    def decoded_pixel_bytes(self) -> int:
        """Bytes per pixel of a page that are decoded together."""
        pages = tiff_layout(self.location, self.stamp, self.part).pages
        return self.dtype.itemsize * (1 if pages.planar else pages.samples)

    def of_bands(self, picks: tuple[int, ...]) -> TiffSource:
        """Return a source of some bands, in this order."""
        return replace(self, view=self.view.of_bands(picks))

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window; see `Source`."""
        try:
            return retry(lambda: self._read(window))
        except (InputError, MemoryError):
            raise
        except Exception as error:  # stores raise their own errors
            raise self.location.refusal(
                f"{shown_window(window)} cannot be read any more: {error}"
            ) from self.location.cause(error)

    def _read(self, window: PixelWindow) -> NDArray[Any]:
        layout = tiff_layout(self.location, self.stamp, self.part)
        bands = _bands(self.view, layout)
        if self.storage_chunks == self.shape[:2]:
            return np.array(_complete_image(layout, bands, self.fill_missing)[window], order="C")
        rows, columns = (range(part.start, part.stop) for part in window[:2])
        return read_region(layout, rows, columns, bands[window[2]], self.fill_missing)


def read_region(
    layout: TiffLayout, rows: range, columns: range, bands: tuple[Band, ...], fill_missing: bool = True
) -> NDArray[Any]:
    """Return the pixels of a region: (rows, columns, bands), in native byte order.

    Raises
    ------
    InputError
        A tile or strip cannot be read, or is missing although `fill_missing` is False.
    """
    if layout.table is None:
        return _stored(layout, rows, columns, bands, fill_missing)
    out = np.empty((len(rows), len(columns), len(bands)), layout.dtype)
    for page, group in groupby(enumerate(bands), lambda band: band[1][0]):
        members = list(group)
        colors = layout.table.colors[:, [sample for _, (_, sample) in members]]
        values = _stored(layout, rows, columns, ((page, 0),), fill_missing)[:, :, 0]
        look_up_colors(values, colors, out[:, :, members[0][0] : members[-1][0] + 1])
    return out


def _stored(
    layout: TiffLayout, rows: range, columns: range, bands: tuple[Band, ...], fill_missing: bool
) -> NDArray[Any]:
    out = np.empty((len(rows), len(columns), len(bands)), layout.pages.dtype)
    if layout.pages.raw_offsets:
        read_raw_rows(layout, rows, columns, bands, out)
    else:
        read_segments(layout, rows, columns, bands, out, fill_missing)
    return out


_decoding = Lock()


def _complete_image(layout: TiffLayout, bands: tuple[Band, ...], fill_missing: bool) -> NDArray[Any]:
    """Return all pixels of a TIFF that is one compressed strip; cached, because any region requires all of it."""
    with _decoding:
        return _decoded_image(layout, bands, fill_missing)


@lru_cache(maxsize=1)
def _decoded_image(layout: TiffLayout, bands: tuple[Band, ...], fill_missing: bool) -> NDArray[Any]:
    return read_region(layout, range(layout.pages.height), range(layout.pages.width), bands, fill_missing)


def open_tiff(location: Location, selection: Selection) -> OpenedImage:
    """Open one image of a TIFF (gray, RGB, palette or plain bands); read only its header."""
    if selection.component is not None:
        raise InputError(
            f"{location}: component={selection.component!r} (--component) is for Zarr groups; leave it out for a TIFF"
        )
    stamp = location.stamp()
    part = TiffLevel(selection.series, selection.level or 0, indices=selection.indices)
    layout = tiff_layout(location, stamp, part)
    view = plan_axes(str(location), layout.axes, layout.shape, _with_colors(selection, layout))
    _check_axes(location, layout, view)
    bands, facts, table = _bands(view, layout), layout.facts, layout.table
    # without a no-data value, the value of missing tiles is not defined
    may_miss = selection.fill_missing or (facts.nodata is not None and holds(layout.pages.dtype, facts.nodata))
    if not selection.lenient:
        check_segments(location, layout.pages, {page for page, _ in bands}, int(stamp[0]), may_miss)
    source = TiffSource(location, stamp, part, view, layout.dtype, layout.storage_chunks, may_miss)
    alpha = facts.alpha if table is None else table.bands - 1 if table.has_opacity else None
    masks = {"mask of the file": _mask(source, selection.lenient)} if layout.masked else {}
    size = facts.pixel_size
    return OpenedImage(
        source=upright(source, facts.orientation),
        nodata=facts.nodata if table is None or selection.indices else None,
        alpha=next((n for n, (_, sample) in enumerate(bands) if sample == alpha), None),
        alpha_is_nodata=table is not None and not selection.indices,
        masks={name: upright(mask, facts.orientation) for name, mask in masks.items()},
        geo_tags=facts.geo_tags,
        pixel_size=(size[1], size[0]) if size is not None and is_turned(facts.orientation) else size,
        unit=facts.unit,
        orientation=facts.orientation,
        band_names=_band_names(facts.band_names, view, bands) if table is None else (),
        about=dict(layout.about),
    )


def _band_names(names: tuple[str, ...], view: AxisLayout, bands: tuple[Band, ...]) -> tuple[str, ...]:
    """Return the names of the bands that are read: samples of one page, or indices along the band axis."""
    places = [sample for _, sample in bands] if len({page for page, _ in bands}) == 1 else list(view.bands)
    known = tuple(names[place] if place < len(names) else "" for place in places)
    return known if any(known) else ()


def _with_colors(selection: Selection, layout: TiffLayout) -> Selection:
    """Append the band axis of a color table to the stored axes that the caller gave."""
    if layout.table is None or selection.axes is None:
        return selection
    return replace(selection, axes=f"{selection.axes.strip()}c")


def _mask(source: TiffSource, lenient: bool) -> TiffSource:
    """Return the mask that the file holds, as GDAL writes it."""
    part = replace(source.part, mask=True)
    layout = tiff_layout(source.location, source.stamp, part)
    if not lenient:
        check_segments(source.location, layout.pages, {0}, int(source.stamp[0]), fill_missing=True)
    view = AxisLayout(("y", "x"), (0,), (*source.shape[:2], 1))
    return TiffSource(source.location, source.stamp, part, view, layout.pages.dtype, layout.storage_chunks, True)


def _check_axes(location: Location, layout: TiffLayout, view: AxisLayout) -> None:
    """Refuse axes that rename or reorder rows and columns within a page."""
    leading, within = layout.pages.leading, layout.pages.axes[layout.pages.leading :]
    fits = all(view.roles[leading + within.index(axis)] == axis for axis in "yx")
    if not fits or "y" in view.roles[:leading] or "x" in view.roles[:leading]:
        raise InputError(f"{location}: --axes: rows and columns of a TIFF are those of its pages: ...{within}")


def _bands(view: AxisLayout, layout: TiffLayout) -> tuple[Band, ...]:
    """Return the position of each band: page and sample; for a color table, page and column of the table."""
    pages, found = layout.pages, []
    for place in view.bands:
        at = [place if role == "c" else role if isinstance(role, int) else 0 for role in view.roles]
        page = int(np.ravel_multi_index(at[: pages.leading], pages.shape[: pages.leading])) if pages.leading else 0
        within = layout.axes[pages.leading :]
        found.append((page, at[pages.leading + within.index("s")] if "s" in within else 0))
    return tuple(found)
