"""Build the lazy pixels and the mask of an opened image, in any chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isnan
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.image.sources.bands import BandPicks, complete_names, decoded_pixel_bytes, find_bands, of_bands
from dasksom.image.sources.chunk_planning import plan_chunks
from dasksom.image.sources.margins import lazy_with_margins
from dasksom.image.sources.picture import Chunking, Header, Picture, Rectangle

if TYPE_CHECKING:
    from dasksom.image.sources.masks import MaskSource
    from dasksom.image.sources.protocol import Readable, Source

_alpha_mask = deferred("dasksom.image.sources.masks:alpha_mask")
_holds = deferred("dasksom.image.sources.masks:holds")
_nodata_mask = deferred("dasksom.image.sources.masks:nodata_mask")
_without_band = deferred("dasksom.image.sources.masks:without_band")
_readable_mask = deferred("dasksom.image.sources.unreadable:ReadableMask")
_without_regions = deferred("dasksom.image.sources.unreadable:WithoutRegions")
_NODATA = "no-data value"
"""Name of this mask in the list of mask origins that users see."""


@dataclass(frozen=True, eq=False)
class PictureParts:
    """The parts of a picture, available once headers have been read."""

    named: str
    header: Header
    pixels: Source | da.Array | NDArray[Any]
    """Shape (height, width, bands); arrays keep their original chunks until `cut`."""
    alpha: str | None = None
    nodata: float | str | None = None
    """Both as given by the caller; see `ReadOptions`."""
    masks: Mapping[str, MaskSource] = field(default_factory=dict)
    """Masks that the file declares, by name."""
    given: MaskSource | da.Array | None = None
    """The mask given by the caller."""
    select: Callable[[BandPicks], PictureParts] | None = None
    """Returns the parts of an image of some bands, for stacks, whose other files are then not used."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the stored image: height, width, bands."""
        height, width, bands = self.pixels.shape
        return height, width, bands

    def cut(self, chunking: Chunking) -> Picture:
        """Build the picture in chunks.

        Raises
        ------
        InputError
            The image cannot be chunked this way, or the no-data value or mask does not fit it.
        """
        header = self.header
        picture = Picture(
            self._lazy_pixels(chunking),
            None,
            header.nodata,
            header.geo_tags,
            header.pixel_size,
            header.unit,
            header.about,
            band_names=complete_names(header.band_names, self.shape[2]),
            cut=self.cut,
            pick=partial(self._pick, chunking),
        )
        if not isinstance(self.pixels, (da.Array, np.ndarray)):
            sources = (_without(self.pixels, chunking.unread),)
            widen = None if isinstance(self.given, da.Array) else partial(self._widened, chunking)
            stored, decoded = self.pixels.storage_chunks, decoded_pixel_bytes(self.pixels)
            picture = replace(picture, sources=sources, stored=stored, decoded_pixel_bytes=decoded, widen=widen)
        for name, mask in self.masks.items():
            picture = _mask_by_source(picture, mask, chunking, name)
        picture = self._apply_alpha(picture)
        if header.nodata_problem is not None and self.nodata is None:
            raise InputError(f"{self.named}: {header.nodata_problem}; give one with --nodata VALUE, or --nodata none")
        picture = _apply_nodata(picture, self.nodata)
        if isinstance(self.given, da.Array):
            picture = _masked(picture, self.given.rechunk(picture.pixels.chunks[:2]), "mask given")
        elif self.given is not None:
            picture = _mask_by_source(picture, self.given, chunking, "mask given")
        if chunking.unread:
            readable = _readable_mask(self.shape[:2], tuple(chunking.unread))
            picture = _masked(picture, _lazy_mask(readable, picture, chunking, "read"), "parts that can be read")
        return picture

    def _widened(self, chunking: Chunking, margin: int) -> Picture:
        return self.cut(replace(chunking, margin=margin))

    def _lazy_pixels(self, chunking: Chunking) -> da.Array:
        pixels = self.pixels
        if isinstance(pixels, da.Array):
            stored = int(pixels.chunks[0][0]), int(pixels.chunks[1][0])
        else:
            stored = self.shape[:2] if isinstance(pixels, np.ndarray) else pixels.storage_chunks
        try:
            rows, columns = plan_chunks(
                self.shape, pixels.dtype.itemsize, stored, chunk_bytes=chunking.chunk_bytes, align=chunking.align
            )
        except InputError as error:
            raise InputError(f"{self.named}: {error}") from error
        chunks = min(rows, self.shape[0]), min(columns, self.shape[1]), self.shape[2]
        if isinstance(pixels, da.Array):
            return pixels.rechunk(chunks)
        if isinstance(pixels, np.ndarray):
            return da.from_array(pixels, chunks=chunks)
        lengths = da.core.normalize_chunks(chunks, self.shape)
        return lazy_with_margins(_without(pixels, chunking.unread), lengths, chunking.margin, "image")

    def of_bands(self, wanted: BandPicks) -> PictureParts:
        """Return the parts of an image of some bands, in this order.

        Parameters
        ----------
        wanted : names or numbers of bands, among those that remain once the `alpha` option is applied

        Raises
        ------
        InputError
            A band is unknown, ambiguous or selected twice.
        """
        if self.select is not None:
            chosen_parts = self.select(wanted)
            if chosen_parts.shape[:2] != self.shape[:2] and self.given is not None:
                raise InputError(f"{self.named}: --mask fits all bands, but not those of --bands, which are coarser")
            return replace(chosen_parts, nodata=self.nodata, given=self.given)
        alpha, header = self._alpha_band, self.header
        colors = [number for number in range(self.shape[2]) if number != alpha]
        known = complete_names(header.band_names, self.shape[2])
        names = [known[number] for number in colors] if known else []
        stored = [colors[pick] for pick in find_bands(self.named, wanted, names, len(colors))]
        chosen = tuple(known[number] for number in stored) if known else ()
        if alpha is None or self._alpha_use == "drop":
            place, use = None, "band"
        else:  # the alpha band is still read, as the last one, and becomes the mask
            place, use = len(stored), self._alpha_use or "mask"
            stored.append(alpha)
        pixels: Any = self.pixels
        arrays = isinstance(pixels, (da.Array, np.ndarray))
        return replace(
            self,
            header=replace(header, band_names=chosen, alpha=place),
            alpha=use,
            pixels=pixels[..., stored] if arrays else of_bands(pixels, stored),
        )

    def _pick(self, chunking: Chunking, wanted: BandPicks) -> Picture:
        return self.of_bands(wanted).cut(chunking)

    @property
    def _alpha_use(self) -> str | None:
        """The `alpha` option; an alpha band that stands for a no-data value is replaced by one from the caller."""
        replaced = self.header.alpha_is_nodata and self.header.alpha is not None and self.nodata is not None
        return "drop" if replaced else self.alpha

    @property
    def _alpha_band(self) -> int | None:
        """Number of the band that is alpha; if the file names none, only when the `alpha` option was given."""
        band, bands, use = self.header.alpha, self.shape[2], self._alpha_use
        if band is None and use is not None and bands in (2, 4):
            band = bands - 1
        return None if use == "band" or bands == 1 else band

    def _apply_alpha(self, picture: Picture) -> Picture:
        """Remove the alpha band and, unless it is dropped, mask transparent pixels."""
        band, origin = self._alpha_band, _NODATA if self.header.alpha_is_nodata else "alpha"
        if band is None:
            return picture
        names = tuple(name for number, name in enumerate(picture.band_names) if number != band)
        colors = replace(picture, pixels=_without_band(picture.pixels, band), band_names=names)
        return colors if self._alpha_use == "drop" else _masked(colors, _alpha_mask(picture.pixels, band), origin)


def check_mask_array(mask: Any, size: tuple[int, int]) -> da.Array:
    """Return a mask given as an array as a dask array.

    Raises
    ------
    InputError
        Its dtype is not bool, or its shape differs from the image's.
    """
    array = mask if isinstance(mask, da.Array) else da.from_array(np.asarray(mask), chunks=-1)
    if array.dtype != np.bool_ or array.shape != size:
        raise InputError(
            f"mask: an array of bool and shape {size} is needed, True where a pixel holds data; got {array.dtype} of "
            f"{array.shape}. Give a mask of lower resolution as an image file"
        )
    return array


def _without(source: Any, unread: Sequence[Rectangle]) -> Any:
    return _without_regions(source, tuple(unread)) if unread else source


def _masked(picture: Picture, mask: da.Array, origin: str) -> Picture:
    """Combine a mask with the picture's existing mask."""
    both = mask if picture.mask is None else picture.mask & mask
    before = picture.about.get("mask")
    return replace(picture, mask=both, about={**picture.about, "mask": f"{before}, {origin}" if before else origin})


def _mask_by_source(picture: Picture, mask: MaskSource, chunking: Chunking, origin: str) -> Picture:
    source: Readable = _without(mask, chunking.unread)
    array = _lazy_mask(source, picture, chunking, "mask")
    return _masked(replace(picture, sources=(*picture.sources, source)), array, origin)


def _lazy_mask(source: Readable, picture: Picture, chunking: Chunking, name: str) -> da.Array:
    rows, columns = (tuple(size - 2 * chunking.margin for size in sizes) for sizes in picture.pixels.chunks[:2])
    return lazy_with_margins(source, (rows, columns), chunking.margin, name)


def _apply_nodata(picture: Picture, given: float | str | None) -> Picture:
    if given is None and picture.nodata is None:
        return picture
    if isinstance(given, str) and given.strip().lower() == "none":
        return replace(picture, nodata=None)
    if given is None:
        value = float(picture.nodata) if picture.nodata is not None and isnan(picture.nodata) else picture.nodata
        if value is None or not _holds(picture.pixels.dtype, value):
            about = {**picture.about, "no data": f"{value}, which {picture.pixels.dtype} cannot hold: all pixels count"}
            return replace(picture, nodata=None, about=about)
    else:
        value = _number(given)
    mask = _nodata_mask(picture.pixels, value)
    picture = replace(picture, nodata=value, about={**picture.about, "no data": f"{value:g}"})
    return picture if mask is None else _masked(picture, mask, _NODATA)


def _number(given: float | str) -> float:
    try:
        return int(given) if isinstance(given, str) and given.strip().lstrip("+-").isdigit() else float(given)
    except (TypeError, ValueError):
        raise InputError(f"nodata={given!r}: a number, nan or none is accepted") from None
