"""Add the image and a helpful option to errors about pixels that cannot be trained on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from dasksom.errors import InputError
from dasksom.image import Picture
from dasksom.som.samples import NO_SAMPLES

_NOT_FINITE = re.compile(r"the image contains (.+?) at pixel \((\d+), (\d+)\), band (\d+); a map needs ([^.]*)")
_WAYS_OUT = {
    "alpha": "--alpha drop uses transparent pixels too",
    "no-data value": "--nodata none uses pixels of the no-data value too",
    "mask given": "leave --mask out, or give another one",
}


@contextmanager
def explained_pixels(image: str, picture: Picture) -> Iterator[None]:
    """Translate errors of the training into those of a run.

    Parameters
    ----------
    image : name of the image, for messages
    picture : the image
    """
    try:
        yield
    except InputError as error:
        text = str(error)
        if text == NO_SAMPLES:
            raise InputError(f"{image}: {_why_no_pixel(picture)}") from error
        if not_finite := _NOT_FINITE.match(text):
            value, row, column, band, needed = not_finite.groups()
            option = "--nodata inf (or -inf)" if value == "infinity" else "--nodata VALUE"
            raise InputError(
                f"{image}: contains {value} at row {row}, column {column}, band {band}; a map needs {needed}: leave "
                f"such pixels out with {option} or --mask IMAGE, or replace them in the file"
            ) from error
        raise


def _why_no_pixel(picture: Picture) -> str:
    origins = picture.about.get("mask", "").split(", ") if picture.mask is not None else []
    ways_out = [_WAYS_OUT[origin] for origin in origins if origin in _WAYS_OUT]
    excluded = ", ".join(origins) or "NaN"
    return f"no pixel holds data: all are excluded ({excluded}); {'; '.join(ways_out) or 'give another image'}"
