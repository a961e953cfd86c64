"""Storage options of outputs, common to all formats."""

from __future__ import annotations

from dataclasses import dataclass, fields

from dasksom.errors import InputError

PIXELS = ("auto", "palette", "colors", "labels")
LAYOUTS = ("auto", "flat", "pyramid", "cog")
OME_VERSIONS = ("0.5", "0.4")
SMALLEST_CHUNK = 64
LARGEST_CHUNK = 8192
OME_CHUNK = 1024
"""Default side of OME-Zarr chunks; smaller if pixels have many bytes."""
TIFF_TILE = 512
MOST_CHUNK_BYTES = 64 << 20
"""Size limit of a chunk (all bands) if `chunk` is not given; one task holds several chunks."""
CHUNK_STEP = 16
"""Chunk sides are multiples of this: the TIFF standard requires it for tiles, and chunks have to be halved."""


def holds_labels(path: str, *, dtype: str, bands: int, units: int, pixels: str = "auto") -> bool:
    """Return whether labels and palette can be read again from an output, as `report` and `view` do.

    Parameters
    ----------
    path : of the output; its suffix is the format
    dtype, bands : of the image
    units : number of colors in the palette
    pixels : what the pixels of a TIFF or PNG are: "auto", "palette", "colors" or "labels"
    """
    name = path.lower()
    if not name.endswith((".png", ".tif", ".tiff")):
        return name.endswith(".zarr")
    indexed = (3, 4) if name.endswith(".png") else (3,)
    has_palette = dtype == "uint8" and bands in indexed and units <= 256
    return pixels == "labels" or (pixels != "colors" and has_palette)


@dataclass(frozen=True)
class Options:
    """Storage options of an output; None and "auto" select the format's default."""

    pixels: str = "auto"
    """Pixels of a TIFF or PNG: indices into a "palette", "colors", or "labels" (unit + 1, 0 is no data). "auto":
    palette if 256 colors suffice, else colors."""
    layout: str = "auto"
    """"flat": only full resolution; "pyramid": with coarser levels; "cog": as a cloud-optimized (Geo)TIFF. "auto": a
    pyramid for OME-Zarr, and for TIFF if the image is larger than a few tiles; "cog" for georeferenced TIFF."""
    chunk: int | None = None
    """Side of a Zarr chunk or TIFF tile, the unit of compression, in pixels."""
    shard: int | None = None
    """Side of the shards (files of several chunks) of an OME-Zarr 0.5, in pixels; 0: one file per chunk."""
    codec: str | None = None
    """Name of one of the format's codecs."""
    ome_version: str = "0.5"
    """Version of OME-Zarr: "0.5" (Zarr 3), or "0.4" (Zarr 2) for older readers."""

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("pixels", self.pixels, PIXELS),
            ("layout", self.layout, LAYOUTS),
            ("ome_version", self.ome_version, OME_VERSIONS),
        ):
            if value not in choices:
                raise InputError(f"{name}: {value!r} is not one of {', '.join(choices)}")
        if self.chunk is not None and (not SMALLEST_CHUNK <= self.chunk <= LARGEST_CHUNK or self.chunk % CHUNK_STEP):
            raise InputError(
                f"chunk: {self.chunk} pixels; multiples of {CHUNK_STEP} from {SMALLEST_CHUNK} to {LARGEST_CHUNK} "
                "are possible"
            )
        whole = self.chunk or OME_CHUNK
        if self.shard and (self.shard < 0 or self.shard % whole):
            raise InputError(
                f"shard: {self.shard} pixels; a shard holds whole chunks, so multiples of {whole} are possible, and 0 "
                "for no shards"
            )

    def chunk_side(self, usual: int, pixel_bytes: int) -> int:
        """Return the side of a chunk: as given, or the default, reduced if pixels have many bytes."""
        if self.chunk is not None:
            return self.chunk
        while usual > SMALLEST_CHUNK and usual * usual * pixel_bytes > MOST_CHUNK_BYTES:
            usual //= 2
        return usual

    @property
    def given(self) -> list[str]:
        """Names of the options that differ from the defaults."""
        return [field.name for field in fields(self) if getattr(self, field.name) != field.default]


DEFAULTS = Options()
