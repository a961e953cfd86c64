"""Convert images to training samples: counted colors, or streams of chunks."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dask
import dask.array as da

from dasksom.chunkwise import Keeper, Progress, keep_in_memory
from dasksom.deferred import deferred
from dasksom.som.bmu.search import Search
from dasksom.som.counted_colors.lookup_table import by_cells
from dasksom.training.color_histogram import ColorTable, count_images

if TYPE_CHECKING:
    from dasksom.som.features.pixel_features import PixelFeatures
    from dasksom.training.converted_colors import ComparedColors
    from dasksom.training.streaming import Stream, Streams

_blur_image: "Callable[..., da.Array]" = deferred("dasksom.features.blurring:blur_image")
_color_stream: "Callable[..., Stream]" = deferred("dasksom.training.converted_colors:color_stream")
_compared_colors = deferred("dasksom.training.converted_colors:compared_colors")
_sample_image = deferred("dasksom.training.subsampling:sample_image")
_pilot = deferred("dasksom.training.streaming:numbered_pilot")
_stream = deferred("dasksom.training.streaming:Stream")
_warm_up_streams: "Callable[..., Streams]" = deferred("dasksom.training.warm_up:WarmUpStreams")
_streams: "Callable[..., Streams]" = deferred("dasksom.training.streaming:Streams")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Draws:
    """The pixels that streams draw at random."""

    warm_up: int = 0
    """Number of samples for the early epochs; 0 for none."""
    pilot: int = 0
    """Number of samples of each image to draw while its moments are computed."""
    seed: int = 0
    """Seed of these choices, and of that of a fraction of the samples."""


Weighted = tuple[da.Array, da.Array | None]
"""An image of shape (..., bands), and the weights of its samples (..., 1), bool or real; None: all equal."""


def blurred_images(images: Sequence[Weighted], sigma: float) -> list[Weighted]:
    """Return images as a map that blurs by `sigma` compares them; see `blur_image`."""
    return [(_blur_image(image, weights, sigma) if sigma else image, weights) for image, weights in images]


def sampled(
    images: Sequence[Weighted], share: float, search: Search, seed: int, progress: Progress | None
) -> list[Weighted]:
    """Load a random fraction of the samples of each image into this process; see `sample_image`."""
    return [
        _sample_image(image, weights, share, seed=seed + number, missing=search.missing, progress=progress)
        for number, (image, weights) in enumerate(images)
    ]


def searched(
    samples: "ColorTable | Stream | Streams",
    search: Search,
    cache: str = "none",
    features: "tuple[PixelFeatures, ...]" = (),
) -> "ColorTable | ComparedColors | Stream | Streams":
    """Return samples as a search compares them; see `samples_of` for `cache`.

    `features` are those of each image, if they are measured by image.
    """
    if not isinstance(samples, ColorTable):
        converted = samples.searching(features or search.features)
        return converted.with_cached_features() if cache == "auto" else converted
    return samples if by_cells(search) else _compared_colors(samples, search)


def measured(samples: "ColorTable | Stream | Streams", search: Search) -> "Stream | Streams":
    """Return samples as streams, to measure features."""
    return _color_stream(samples, search) if isinstance(samples, ColorTable) else samples


def streamed(
    images: Sequence[Weighted],
    search: Search,
    cache: str,
    progress: Progress | None,
    keeper: Keeper | None,
    *,
    here: bool,
    draws: Draws,
) -> "Stream | Streams":
    """Return streams of all images, cached in the cluster's memory according to `cache`; see `samples_of`."""
    parts = []
    for number, (image, weights) in enumerate(images):
        source = (image, weights) if here else keep_in_memory(image, weights, cache)
        pilot = _pilot(draws.pilot, draws.seed, number) if draws.pilot else None
        parts.append(_stream(*source, search, progress, here, keeper, pilot))
    if draws.warm_up:
        return _warm_up_streams(tuple(parts), draws.warm_up, draws.seed)
    return parts[0] if len(parts) == 1 else _streams(tuple(parts))


def samples_of(
    images: Sequence[Weighted],
    search: Search,
    *,
    count: bool,
    share: float = 1.0,
    draws: Draws | None = None,
    cache: str = "none",
    progress: Progress | None = None,
    keeper: Keeper | None = None,
) -> "ColorTable | Stream | Streams":
    """Prepare the training samples of images; `searched` converts them.

    Parameters
    ----------
    images : sequence of (image, weights)
    search : Search
    count : bool
        Whether to count colors (of a type that is counted, without real weights) instead of streaming chunks.
    share : float
        Fraction of the samples to use, chosen at random by position.
    draws : Draws, optional
        Pixels that streams draw; none by default.
    cache : str
        One of ``dasksom.config.map_parameters.CACHES``.
    progress : callable, optional
    keeper : Keeper, optional
        Saves passes in progress and counted colors; ignored if `share` < 1, because the sample is drawn again.

    Raises
    ------
    InputError
        If there are no samples, or they do not fit in memory while `share` < 1.
    """
    draws = draws or Draws()
    if share < 1:
        images = sampled(images, share, search, draws.seed, progress)
        progress = keeper = None
    with dask.config.set(scheduler="threads") if share < 1 else nullcontext():
        if count:
            table = count_images(images, progress, keeper)
            logger.info("%d different colors in %d pixels", len(table), table.counts.sum())
            return table
    return streamed(images, search, cache, progress, keeper, here=share < 1, draws=draws)
