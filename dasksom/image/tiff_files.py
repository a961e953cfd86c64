"""TIFF and BigTIFF: tiled or in strips, read as images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.paths import Stamp
from dasksom.image.protocols import Region
from dasksom.image.tiff_layout import layout_of, tiff_layout, whole_image


@dataclass(frozen=True)
class TiffSource:
    """The first series of a TIFF at full resolution, of which a region decodes the tiles that it touches."""

    path: str
    stamp: Stamp
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    storage_chunks: tuple[int, int]

    @property
    def ndim(self) -> int:
        """Always 3."""
        return 3

    @property
    def identity(self) -> tuple[Any, ...]:
        """Path, size and time of last change."""
        return "tiff", self.path, self.stamp

    def __getitem__(self, region: Region) -> NDArray[Any]:
        """Read a region; see `Source`."""
        try:
            if self.storage_chunks == self.shape[:2]:
                return np.array(whole_image(self.path, self.stamp)[region], order="C")
            layout = tiff_layout(self.path, self.stamp)
            rows, columns = (range(n)[part] for n, part in zip(self.shape, region[:2], strict=False))
            return np.ascontiguousarray(layout.read(rows, columns)[:, :, region[2]])
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read any more: {error}") from error


def open_tiff(path: Path, component: str | None) -> TiffSource:
    """Open a TIFF: planes of one image only, gray, RGB or plain bands; read its header only."""
    if component is not None:
        raise InputError(f"{path}: component={component!r} (--component) is for Zarr groups; leave it out for a TIFF")
    layout, stamp = layout_of(path)
    return TiffSource(layout.path, stamp, layout.shape, layout.dtype, layout.storage_chunks)
