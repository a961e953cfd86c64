"""Demonstrations: a photograph at three palette sizes, and a mosaic of more than a gigapixel."""

import re
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from dasksom.config import MapSection, OutputSection, RunConfig
from dasksom.demo.synthetic_mosaic import write_mosaic
from dasksom.errors import InputError
from dasksom.image import publish
from dasksom.runs.watcher import Watcher
from dasksom.runs.workflows import quantize_image

MOSAIC_SIDE = 32768
"""Pixels per side; the square has 1.07 gigapixels."""
_STRIP, _SWATCH = 112, 96
"""Height of a caption, and side of a palette, in pixels."""
GRIDS = ((3, 3), (8, 8), (16, 16))
_OURS = re.compile(r"photograph(-\d+-colors)?\.png|comparison\.png|mosaic-\d+(-som)?\.zarr|\.(partial|old)-.*")
"""Names of the files of a demonstration."""


def _prepare(folder: Path) -> None:
    """Create the folder; raise InputError if it holds other files than those of an earlier demonstration."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder for the demonstration")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be created: {error.strerror}; choose another one") from error
    others = [one.name for one in folder.iterdir() if not _OURS.fullmatch(one.name)]
    if others:
        raise InputError(f"{folder}: holds other files ({others[0]}); name a new folder for the demonstration")


def _config(grid: tuple[int, int]) -> RunConfig:
    return RunConfig(map=MapSection(grid=grid), output=OutputSection(overwrite=True))


def photograph_demo(folder: Path, watcher: Watcher) -> list[str]:
    """Quantize a photograph that ships with scikit-image to 9, 64 and 256 colors, with a side-by-side comparison.

    Returns
    -------
    list of str
        One line per file.
    """
    _prepare(folder)
    photograph = folder / "photograph.png"
    Image.fromarray(data.coffee()).save(photograph)
    lines = [f"{photograph}: a photograph of 600 x 400 pixels"]
    views = [_captioned(photograph, "the original")]
    for grid in GRIDS:
        colors = grid[0] * grid[1]
        picture = folder / f"photograph-{colors}-colors.png"
        record = quantize_image(str(photograph), str(picture), _config(grid), watcher)
        seconds, error = record.total_seconds, record.mean_squared_error
        lines.append(f"{picture}: {colors} colors, mean squared error {error:.1f}, {seconds:.2f} s")
        views.append(_captioned(picture, f"{colors} colors, mean squared error {error:.1f}", grid))
    together = folder / "comparison.png"
    Image.fromarray(np.vstack([np.hstack(views[:2]), np.hstack(views[2:])])).save(together)
    return [*lines, f"Look at {together}: the original, then 9, 64 and 256 colors, each with its map."]


def _captioned(path: Path, caption: str, grid: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return a picture, and below it a caption and its palette, laid out like the map."""
    with Image.open(path) as picture:
        page = Image.new("RGB", (picture.width, picture.height + _STRIP), "white")
        page.paste(picture.convert("RGB"))
        middle = picture.height + _STRIP // 2
        ImageDraw.Draw(page).text((16, middle), caption, "black", ImageFont.load_default(24), anchor="lm")
        if grid is not None:
            colors = np.reshape(picture.getpalette("RGB") or [], (-1, 3))[: grid[0] * grid[1]].astype(np.uint8)
            swatch = Image.fromarray(colors.reshape(*grid, 3)).resize((_SWATCH, _SWATCH), Image.Resampling.NEAREST)
            page.paste(swatch, (picture.width - _SWATCH - 8, middle - _SWATCH // 2))
    return np.asarray(page)


def mosaic_demo(folder: Path, watcher: Watcher, side: int) -> list[str]:
    """Build a Zarr mosaic of real photographs and quantize it to 256 colors.

    Parameters
    ----------
    folder : Path
    watcher : Watcher
    side : int
        Pixels per side.
    """
    if side < 1:
        raise InputError(f"--side {side}: at least 1 pixel is required")
    _prepare(folder)
    mosaic, output = folder / f"mosaic-{side}.zarr", folder / f"mosaic-{side}-som.zarr"
    lines = []
    if not mosaic.exists():
        start = time.perf_counter()
        watcher.stage("build the mosaic", side * side)
        with publish(mosaic, overwrite=False) as path:
            write_mosaic(path, side=side, progress=watcher.progress)
        lines.append(f"{mosaic}: {side} x {side} pixels of photographs, built in {time.perf_counter() - start:.0f} s")
    record = quantize_image(str(mosaic), str(output), _config((16, 16)), watcher)
    total = record.total_seconds
    lines.append(
        f"{output}: labels, image and palette of 256 colors in {total:.0f} s ({side * side / total / 1e6:.0f} Mpx/s), "
        f"mean squared error {record.mean_squared_error:.1f}"
    )
    lines.append(f'Look with Python: import zarr; zarr.open("{output}")["image"][:2000, :2000]')
    return lines
