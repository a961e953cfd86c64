"""A random fraction of an image's samples, for quick trainings.

Each sample has a random number that depends only on its position in the image and the seed. It is used if the number is
below the requested fraction. Samples are sorted by these numbers, so that the result does not depend on the chunks.
"""

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
import psutil
from numpy.typing import NDArray

from dasksom.chunkwise import Corner, Progress, map_chunks
from dasksom.cluster import thread_pool_memory
from dasksom.errors import InputError
from dasksom.som.samples import NO_SAMPLES, place_numbers, take_samples

ROWS_A_TASK = 1 << 16
MOST_OF_MEMORY = 0.25
"""Maximum fraction of this process's free memory for the samples."""

_Drawn = tuple[NDArray[np.uint64], NDArray[Any], NDArray[np.float64] | None]
"""Random numbers, values (n, bands) and optional weights of the chosen samples."""


def _chunk_sample(
    block: NDArray[Any],
    corner: Corner,
    weights: NDArray[Any] | None = None,
    *,
    leading: tuple[int, ...],
    share: float,
    seed: int,
    missing: str,
) -> _Drawn:
    samples = take_samples(block, corner, weights, missing)
    numbers = place_numbers(block.shape[:-1], corner, leading, seed)
    if samples.kept is not None:
        numbers = numbers[samples.kept]
    taken = numbers < np.uint64(min(share * 2.0**64, 2.0**64 - 2**11))
    return numbers[taken], samples.values[taken], None if samples.weights is None else samples.weights[taken]


def _join(parts: Sequence[_Drawn]) -> _Drawn:
    numbers, values, weights = zip(*parts, strict=True)
    return np.concatenate(numbers), np.concatenate(values), None if weights[0] is None else np.concatenate(weights)


def sample_image(
    image: da.Array,
    weights: da.Array | None,
    share: float,
    *,
    seed: int = 0,
    missing: str = "error",
    progress: Progress | None = None,
) -> tuple[da.Array, da.Array | None]:
    """Load a random fraction of an image's samples into this process, in one pass.

    Parameters
    ----------
    image : dask array of shape (..., bands)
    weights : dask array of shape (..., 1), bool or real, optional
    share : float
        Above 0, up to 1.
    seed : int
    missing : str
        One of ``dasksom.som.choices.MISSING``.
    progress : callable, optional

    Returns
    -------
    samples : dask array of shape (n, bands), in memory
    weights : dask array of shape (n, 1), float64, in memory; None if all weights are equal

    Raises
    ------
    InputError
        If the samples do not fit in this process's memory, or there are none.
    """
    wanted, free = image.nbytes * share, min(psutil.virtual_memory().available, thread_pool_memory())
    if wanted > free * MOST_OF_MEMORY:
        raise InputError(
            f"sample={share}: about {wanted / 2**30:.3g} GiB of samples; {free * MOST_OF_MEMORY / 2**30:.3g} GiB, a "
            "quarter of this process's free memory, are possible: take a smaller share, or 1 to train on all of them"
        )
    leading = image.shape[:-1]
    parts = map_chunks(
        image,
        _chunk_sample,
        _join,
        beside=[weights],
        progress=progress,
        leading=leading,
        share=share,
        seed=int(np.random.default_rng(seed).integers(1 << 63)),
        missing=missing,
    )
    numbers, values, amounts = _join(list(parts))
    if not len(numbers):
        raise InputError(f"sample={share}: {NO_SAMPLES}, or so few that none was taken; take a larger share")
    order = np.argsort(numbers, kind="stable")
    taken = da.from_array(values[order], chunks=(ROWS_A_TASK, -1), name=False)
    if amounts is None:
        return taken, None
    return taken, da.from_array(amounts[order][:, None], chunks=(ROWS_A_TASK, 1), name=False)
