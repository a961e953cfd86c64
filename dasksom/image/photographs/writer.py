"""Write PNG and JPEG on the driver, which gathers all labels of an image of ordinary size in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.image.photographs import MAX_PIXELS, PNG_KEYWORD
from dasksom.image.writers.palettes import check_paletted, may_be_paletted
from dasksom.image.writers.protocol import (
    EncodedChunk,
    Output,
    RunTasks,
    Writer,
    check_labels,
    clip_labels,
    label_table,
    run_tasks_here,
    with_nodata_row,
)
from dasksom.storage.checksum_manifests import FileSums
from dasksom.storage.embedded_checksums import UNSEALED, seal
from dasksom.storage.own_files import create

_palette_as_json = deferred("dasksom.image.writers.own_descriptions:palette_as_json")
_MAX_JPEG_SIDE = 65_535


@dataclass(frozen=True, eq=False)
class PhotographWriter(Writer):
    """Gathers all labels on the driver and writes one PNG or JPEG; for images of ordinary size only."""

    output: Output
    jpeg: bool

    @property
    def chunk_alignment(self) -> int:
        """1: image chunks of any size fit."""
        return 1

    @property
    def keeps_chunks(self) -> bool:
        """False: labels are gathered in memory."""
        return False

    def encode(
        self, labels: NDArray[np.unsignedinteger[Any]], corner: tuple[int, int]
    ) -> NDArray[np.unsignedinteger[Any]]:
        """Return the labels in the smallest dtype; see `Writer`."""
        check_labels(labels, self.output.units, self.output.nodata)
        return clip_labels(labels, self.output.units, self._labels_dtype)

    def are_intact(self, stored: FileSums) -> bool:
        """Return False: nothing is stored before the end."""
        return False

    def collect(self, encoded: Iterable[EncodedChunk], run: RunTasks = run_tasks_here) -> None:
        """Assemble the chunks and write the file; see `Writer`."""
        output = self.output
        labels = np.zeros((output.height, output.width), self._labels_dtype)
        for (y, x), (height, width), chunk in encoded:
            labels[y : y + height, x : x + width] = chunk
        content: dict[str, Any] = {"dasksom": dict(output.metadata)}
        if not self.jpeg and (_kind(output) == "labels" or (_kind(output) == "palette" and output.bands == 4)):
            content["palette"] = _palette_as_json(output.palette)
        text = json.dumps(content)
        image, how = self._image(labels)
        with create(Path(output.path)) as file:
            if self.jpeg:
                # no chroma subsampling, which would blur the few colors of the map
                comment = f"{UNSEALED} {text}".encode()[:60_000]
                image.save(file, format="JPEG", quality=95, subsampling=0, comment=comment)
                seal(file)
            else:
                notes = PngImagePlugin.PngInfo()
                notes.add_text(PNG_KEYWORD, text)
                image.save(file, format="PNG", pnginfo=notes, **how)

    def _image(self, labels: NDArray[Any]) -> tuple[Image.Image, dict[str, Any]]:
        """Return the image and Pillow's options for saving it; in a PNG, pixels without data are transparent."""
        output = self.output
        if not self.jpeg and _kind(output) == "palette":
            image = Image.fromarray(labels)
            table = with_nodata_row(output.palette)[: output.units + output.nodata]
            image.putpalette(table[:, :3].tobytes())
            if output.bands == 4:
                return image, {"transparency": table[:, 3].tobytes()}
            return image, {"transparency": output.units} if output.nodata else {}
        table = label_table(output.units) if _kind(output) == "labels" else with_nodata_row(output.palette)
        colors = _kind(output) == "colors" and not self.jpeg
        if output.nodata and colors and table.dtype == np.uint8 and output.bands in (1, 3):
            opaque = np.full_like(table[:, :1], 255)
            opaque[-1] = 0
            table = np.append(table, opaque, axis=1)
        pixels = np.take(table, labels, axis=0, mode="clip")
        return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), {}

    @property
    def _labels_dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        smallest: np.dtype[np.unsignedinteger[Any]] = np.min_scalar_type(self.output.units - (not self.output.nodata))
        return smallest


def create_png(output: Output) -> PhotographWriter:
    """Prepare a PNG: exact colors in 8 bits (1, 3, 4 bands) or 16 bits (1 band), indices (3, 4 bands), or labels."""
    _check_size(output)
    if _kind(output) == "palette":
        check_paletted(output, opacity=True)
        return PhotographWriter(output, jpeg=False)
    if _kind(output) == "labels":
        if output.units > np.iinfo(np.uint16).max:
            raise _unfit(output, "labels in a PNG go to 65535")
        return PhotographWriter(output, jpeg=False)
    if (output.palette.dtype.name, output.bands) not in {("uint8", 1), ("uint8", 3), ("uint8", 4), ("uint16", 1)}:
        raise _unfit(output, "a PNG holds uint8 of 1, 3 or 4 bands, or uint16 of 1 band")
    return PhotographWriter(output, jpeg=False)


def create_jpeg(output: Output) -> PhotographWriter:
    """Prepare a JPEG of quality 95: colors are close to the palette's, but not exact."""
    _check_size(output)
    if (output.palette.dtype.name, output.bands) not in {("uint8", 1), ("uint8", 3)}:
        raise _unfit(output, "a JPEG holds uint8 of 1 or 3 bands")
    if max(output.height, output.width) > _MAX_JPEG_SIDE:
        raise InputError(
            f"{output.path}: {output.height} x {output.width} pixels, a JPEG has at most {_MAX_JPEG_SIDE} a side; "
            "write .tif or .zarr"
        )
    return PhotographWriter(output, jpeg=True)


def _kind(output: Output) -> str:
    """Return the content of the pixels of a PNG: "palette", "colors" or "labels"."""
    if output.options.pixels == "auto":
        return "palette" if may_be_paletted(output, opacity=True) else "colors"
    return output.options.pixels


def _check_size(output: Output) -> None:
    if output.height * output.width > MAX_PIXELS:
        raise InputError(
            f"{output.path}: {output.height} x {output.width} pixels are too many for this format, "
            f"which the driver writes as a whole (at most {MAX_PIXELS}); write .tif or .zarr"
        )


def _unfit(output: Output, accepted: str) -> InputError:
    return InputError(
        f"{output.path}: cannot hold {output.palette.dtype} of {output.bands} bands: {accepted}; write .tif or .zarr"
    )
