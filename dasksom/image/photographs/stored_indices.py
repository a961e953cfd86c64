"""Read the indices or labels of a PNG that dasksom wrote, its palette, and its text."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dasksom.errors import InputError
from dasksom.image.photographs import PNG_KEYWORD

_KINDS = {"P", "L", "I;16"}


def read_png_indices(path: Path) -> tuple[NDArray[Any], NDArray[np.uint8] | None, str]:
    """Return the numbers in a PNG of one band, its palette (colors, 3) if it has one, and the text of its metadata.

    Raises
    ------
    InputError
        If it cannot be read, or is not such a PNG.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=("PNG",))
        with image:
            text = image.info.get(PNG_KEYWORD, "")
            if image.mode not in _KINDS or not isinstance(text, str):
                raise InputError(
                    f"{path}: holds no labels of dasksom: a PNG does where it has a palette, or was written with "
                    "--pixels labels; write .zarr"
                )
            image.load()
            palette = image.getpalette("RGB") if image.mode == "P" else None
            colors = None if palette is None else np.array(palette, np.uint8).reshape(-1, 3)
            return np.asarray(image), colors, text
    except InputError:
        raise
    except Exception as error:  # Pillow's plugins raise many kinds of errors for damaged files
        raise InputError(f"{path}: not a PNG that can be read ({error})") from error
