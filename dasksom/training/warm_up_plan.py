"""The size of a warm-up: the early epochs of a streamed training, which run on a sample of the pixels.

It depends on the parameters and the shapes of the images only, not on the machine, because the map depends on it.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import dask.array as da

from dasksom.som.schedule import WarmUp

EXACT_EPOCHS = 2
"""Number of final epochs that run on every pixel."""
_LEAST_SAVED = 3
"""Fewest epochs of a warm-up: fewer do not save the pass that draws the sample."""
_SAMPLES_A_UNIT, _FEWEST_A_UNIT = 2000, 1000
"""Samples of each unit, and the fewest of an image with so many bands that not all fit `MOST_BYTES`."""
_LEAST_SAMPLES = 1 << 19
_MOST_SAMPLES = 1 << 22
"""Most samples: searches of more for as many units would keep one machine busy longer than a cluster."""
MOST_BYTES = 256 << 20
"""Most bytes of a sample whose size is not given."""
_LEAST_PIXELS = 4
"""Fewest pixels of an image per sample: fewer are as fast to stream."""
_EXTRA_BYTES = 16
"""Bytes of a sample's weight and random number."""


def sample_bytes(image: da.Array) -> int:
    """Return the bytes of one sample of an image in memory."""
    return int(image.shape[-1] * image.dtype.itemsize + _EXTRA_BYTES)


def _samples_of(units: int) -> int:
    """Return the default number of samples for a number of units."""
    return max(_SAMPLES_A_UNIT * units, _LEAST_SAMPLES)


def plan_warm_up(given: Mapping[str, Any], images: Sequence[da.Array], epochs: int) -> WarmUp:
    """Plan the warm-up of a training on images whose colors cannot be counted.

    Parameters
    ----------
    given : mapping
        The parameters of a `BatchSOM`, checked.
    images : sequence of dask arrays of shape (..., bands)
    epochs : int
        Number of epochs that the training has yet to run.
    """
    requested, pixels = given["warm_up"], sum(prod(image.shape[:-1]) for image in images)
    if requested == "none" or given["sample"] < 1 or epochs < EXACT_EPOCHS + _LEAST_SAVED:
        return WarmUp()
    one = sample_bytes(images[0])
    if requested == "auto":
        units = given["rows"] * given["columns"]
        most = min(_MOST_SAMPLES, MOST_BYTES // one)
        samples = min(_samples_of(units), most)
        planned = samples if samples >= _FEWEST_A_UNIT * units and pixels >= _LEAST_PIXELS * samples else 0
    else:
        planned = int(requested) if requested < pixels else 0
    return WarmUp(planned, epochs - EXACT_EPOCHS, planned * one) if planned else WarmUp()
