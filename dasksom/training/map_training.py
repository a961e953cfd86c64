"""The training of a map on images: from parameters and arrays to the trained map."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

from dasksom._version import __version__
from dasksom.chunkwise import SMALL_RECORD_SECONDS, Keeper, Progress, ThrottledKeeper
from dasksom.config.parameter import plain_colors
from dasksom.errors import InputError
from dasksom.som.initialization import MOST_TRIED_UNITS, drawn_samples
from dasksom.som.schedule import Step, WarmUp
from dasksom.som.statistics.moments import WIDEST_SCATTER
from dasksom.training.checkpoint import STATE
from dasksom.training.color_histogram import has_color_table
from dasksom.training.epochs import OnEpoch, Training, train_epochs
from dasksom.training.parameter_checks import fixed_colors, lattice_from, search_from, seed_from
from dasksom.training.sources import Draws, Weighted, samples_of, searched
from dasksom.training.start import (
    TrainingImages,
    bands_of,
    first_codebook,
    fit_features,
    fixed_vectors,
    place_fixed,
    plan_features,
)
from dasksom.training.trained_map import MapState, TrainedMap

if TYPE_CHECKING:
    from dasksom.som.features.pixel_features import PixelFeatures
    from dasksom.som.statistics.moments import Moments

_MOST_TRIED_PIXELS = 1 << 21
"""Most pixels of images without a sample from which pixels are drawn to try starts."""


def are_countable(image: da.Array, weights: da.Array | None) -> bool:
    """Return whether the colors of an image can be counted: those of its type can, and it has no weights but a mask."""
    return has_color_table(image) and (weights is None or weights.dtype == np.bool_)


def counts_colors(image: da.Array, weights: da.Array | None, given: Mapping[str, Any]) -> bool:
    """Return whether a map is trained on the counted colors of an image.

    Parameters
    ----------
    image : dask array of shape (..., bands)
    weights : dask array of shape (..., 1), optional
    given : mapping
        The parameters of a `BatchSOM`, of which `method` and `features` are used.

    Raises
    ------
    InputError
        If `method` is "colors" and they cannot be counted.
    """
    countable, method = are_countable(image, weights), given["method"]
    if given["features"] is not None and given["features"].statistics == "image":
        if method == "colors":
            raise InputError(
                "method='colors' counts the colors of all images together; with statistics='image' use 'auto'"
            )
        return False
    if method == "colors" and not countable:
        raise InputError(
            "method='colors' counts the colors of uint8 images with at most 3 bands, and of uint16 and int16 images "
            f"with one band, without sample weights; this is {image.dtype} with {image.shape[-1]} bands"
            f"{', with weights' if has_color_table(image) else ''}: use method='stream' or 'auto'"
        )
    return countable and method != "stream"


def train_map(
    images: Sequence[Weighted],
    given: Mapping[str, Any],
    steps: Sequence[Step],
    before: TrainedMap | None = None,
    *,
    warm_up: WarmUp | None = None,
    names: Sequence[str] = (),
    progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
    keeper: Keeper | None = None,
) -> TrainedMap:
    """Train a map.

    Parameters
    ----------
    images : sequence of (image, weights)
        All with the same dtype and number of bands.
    given : mapping
        The parameters of a `BatchSOM`, checked.
    steps : sequence of Step
        All epochs; those in the history of `before` are skipped.
    before : TrainedMap, optional
        The map to continue with.
    warm_up : WarmUp, optional
        The epochs that run on a sample of streamed images, the next ones.
    names : sequence of str
        Names of the bands, if they have any.
    progress, on_epoch : callable, optional
    keeper : Keeper, optional
        Stores records of the training, and returns those of a killed one.
    """
    warm_up = warm_up or WarmUp()
    steps = warm_up.marked(steps, 0 if before is None else len(before.history))
    shared = TrainingImages(images[0][0].dtype, images[0][0].shape[-1], tuple(names))
    lattice, search, seed = lattice_from(given), search_from(given), seed_from(given)
    kept, planned = fixed_colors(given["keep"], shared.dtype, shared.bands), plan_features(given, shared)
    if planned is not None and planned.by_image and len(images) > 1:
        _check_without_given_bands(given)
    count = all(counts_colors(*image, given) for image in images)
    tried = _tried_sigmas(images, given, steps, sampled=warm_up.samples > 0) if before is None else []
    pilot = drawn_samples(lattice.units, shared.bands) if tried else 0
    plain = samples_of(
        images,
        search,
        count=count,
        share=given["sample"],
        draws=Draws(warm_up.samples, pilot, seed or 0),
        cache=given["cache"],
        progress=progress,
        keeper=keeper,
    )
    features: tuple[PixelFeatures, ...] = () if before is None or before.features is None else (before.features,)
    known: Moments | None = None
    if planned is not None and (before is None or any(one.by_image for one in features)):
        features, known = fit_features(planned, plain, search, shared.dtype, keeper)
    search = replace(search, features=planned if len(features) > 1 else next(iter(features), None))
    samples = searched(plain, search, given["cache"], features)
    state = None if keeper is None else keeper.load(STATE)
    if state is None:
        codebook = first_codebook(samples, search, given, shared, seed, before, known, tried)
        state = _first_state(codebook, fixed_vectors(kept, search, shared.dtype), before)
        if keeper is not None:
            keeper.save(STATE, state)  # the initialization may have taken a pass
    throttled = ThrottledKeeper(keeper, delay=SMALL_RECORD_SECONDS, interval=SMALL_RECORD_SECONDS)
    state = train_epochs(
        state,
        steps,
        samples,
        Training(lattice, given["neighborhood"], given["tol"], given["empty_units"], seed or 0),
        warm_up=getattr(samples, "warm_up", None),
        on_epoch=on_epoch,
        on_state=lambda state: throttled.save(STATE, state),
    )
    quality = samples.quality(state.codebook, lattice) if count and given["sample"] == 1 else None
    shape = lattice.rows, lattice.columns, -1
    weights = bands_of(state.codebook, plain, search, features, shared.dtype)
    weights[list(state.fixed)] = kept  # conversions of color spaces and features round
    compared = None if search.features is None else state.codebook.reshape(shape)
    return TrainedMap(weights.reshape(shape), state.history, quality, str(shared.dtype), search.features, compared)


def _first_state(codebook: NDArray[np.float64], fixed: NDArray[np.float64], before: TrainedMap | None) -> MapState:
    """Return the state before the next epoch, with the vectors of fixed units in place."""
    placed = codebook.copy()
    numbers = place_fixed(placed, fixed)
    return MapState(placed, placed, () if before is None else before.history, numbers)


def _check_without_given_bands(given: Mapping[str, Any]) -> None:
    """Refuse units that are given as bands where each image has features of its own."""
    if not isinstance(given["init"], str):
        raise InputError("init: an array of bands has no features that each image scales by itself; use init='pca'")
    if len(given["keep"]):
        raise InputError("keep: a color has no features that each image scales by itself; use another scale")


def _tried_sigmas(
    images: Sequence[Weighted], given: Mapping[str, Any], steps: Sequence[Step], *, sampled: bool
) -> list[float]:
    """Return the radii of the epochs by which several starts are tried; empty if none is tried.

    Palettes are searched among many starts anyway; the pixels that are drawn from large images without a sample would
    take long to merge.
    """
    in_plane = isinstance(given["init"], str) and given["init"] == "pca"
    searched = all(are_countable(*image) for image in images) or any(step.added or step.searched for step in steps)
    fits = sampled or sum(prod(image.shape[:-1]) for image, _ in images) <= _MOST_TRIED_PIXELS
    is_small = given["rows"] * given["columns"] <= MOST_TRIED_UNITS and images[0][0].shape[-1] <= WIDEST_SCATTER
    return [step.sigma for step in steps] if in_plane and not searched and fits and is_small else []


def identity_of(
    images: Sequence[Weighted], given: Mapping[str, Any], before: TrainedMap | None = None
) -> dict[str, Any]:
    """Return the identity of a training in its checkpoint: parameters, images, versions.

    Raises
    ------
    InputError
        If the parameters hold a random generator, whose numbers would differ in another process.
    """
    seed = given["random_state"]
    if isinstance(seed, (np.random.RandomState, np.random.Generator)):
        raise InputError(f"checkpoint: needs a random_state that is None or an int, not a {type(seed).__name__}")
    # bits depend on neither
    identity: dict[str, Any] = {name: str(value) for name, value in given.items() if name not in ("cache", "device")}
    init = given["init"]
    identity["keep"] = plain_colors(given["keep"])
    identity["init"] = init if isinstance(init, str) else tokenize(np.asarray(init, np.float64))
    identity["start"] = "" if before is None else tokenize(before.compared_units)
    for number, (image, weights) in enumerate(images):
        identity[f"image {number}"] = [image.name, "" if weights is None else weights.name, str(image.chunks)]
    return {**identity, "dasksom": __version__, "numpy": np.__version__}
