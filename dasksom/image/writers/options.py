"""What a user may say about how an output is stored, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass, fields

from dasksom.errors import InputError

PIXELS = ("auto", "palette", "colors", "labels")
LAYOUTS = ("auto", "flat", "pyramid", "cog")
OME_VERSIONS = ("0.5", "0.4")
SMALLEST_CHUNK = 64
LARGEST_CHUNK = 8192
OME_CHUNK = 1024
"""Side of the chunks of an OME-Zarr, where pixels are not wide."""
TIFF_TILE = 512
MOST_CHUNK_BYTES = 64 << 20
"""Of all bands of a chunk, where nobody said how large it should be: one task holds several of them."""
CHUNK_STEP = 16
"""Sides of TIFF tiles are multiples of it, by the standard; and halves of chunks have to be whole."""


@dataclass(frozen=True)
class Options:
    """How an output is stored; None and "auto" leave it to the format."""

    pixels: str = "auto"
    """What a pixel of a TIFF or PNG is: an index into a "palette", its "colors", or its "labels" (unit + 1, 0 is no
    data). "auto": palette where 256 colors do, else colors."""
    layout: str = "auto"
    """"flat": the image alone; "pyramid": with coarser levels; "cog": those, as a cloud-optimized (Geo)TIFF. "auto": a
    pyramid in OME-Zarr, and in TIFF where the image is larger than a few tiles; "cog" where it lies on earth."""
    chunk: int | None = None
    """Side of what is compressed at once (Zarr chunk, TIFF tile), in pixels."""
    shard: int | None = None
    """Side of the files that hold the chunks of an OME-Zarr 0.5, in pixels; 0: a file per chunk."""
    codec: str | None = None
    """Name of a codec of the format."""
    ome_version: str = "0.5"
    """Of OME-Zarr: "0.5" (Zarr 3), or "0.4" (Zarr 2) for older readers."""

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
        """Return the side of a chunk: the one given, or the usual one, or less where pixels have many bytes."""
        if self.chunk is not None:
            return self.chunk
        while usual > SMALLEST_CHUNK and usual * usual * pixel_bytes > MOST_CHUNK_BYTES:
            usual //= 2
        return usual

    @property
    def given(self) -> list[str]:
        """Names of the options that are not left to the format."""
        return [field.name for field in fields(self) if getattr(self, field.name) != field.default]


DEFAULTS = Options()
