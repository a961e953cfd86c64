"""The epochs of a batch map."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.batch import BatchSums, reached, update
from dasksom.som.lattice import Lattice
from dasksom.som.neighborhood import Neighborhood
from dasksom.som.quality import Epoch
from dasksom.som.refinement import add_near_worst, arranged_order, remove_least_useful
from dasksom.som.samples import NO_SAMPLES
from dasksom.som.schedule import Step
from dasksom.training.trained_map import MapState

logger = logging.getLogger(__name__)


class TrainingSamples(Protocol):
    """Samples for the epochs: a color table, or a stream of chunks."""

    def batch_sums(self, codebook: NDArray[np.float64], neighborhood: Neighborhood, utilities: bool) -> BatchSums:
        """Return the sums of the batch update over all samples."""

    def search_palette(self, codebook: NDArray[np.float64], seed: int, fixed: Sequence[int]) -> NDArray[np.float64]:
        """Return a codebook of less squared error, or the given one; `fixed` units do not move."""


OnEpoch = Callable[[Epoch, NDArray[np.float64]], Any]
"""Called after each epoch with its record and the new codebook (units, bands), read-only, which includes temporarily
added units. If it returns a true value, training stops as soon as no added units are left."""
OnState = Callable[[MapState], object]
"""Called after each epoch, before `OnEpoch`."""


@dataclass(frozen=True)
class Training:
    """Parameters of a training."""

    lattice: Lattice
    neighborhood: str = "gaussian"
    """A name in ``dasksom.som.choices.NEIGHBORHOODS``."""
    tolerance: float = 0.0
    """Training stops after an epoch that moved the units, in the root mean square, by at most this fraction of the
    samples' standard deviation, unless units are added or removed later; 0 disables it."""
    empty_units: str = "keep"
    """One of ``dasksom.config.map_parameters.EMPTY_UNITS``."""
    seed: int = 0
    """Seed of the directions in which units are added."""


def train_epochs(
    state: MapState,
    steps: Sequence[Step],
    samples: TrainingSamples,
    training: Training,
    *,
    warm_up: Callable[[], TrainingSamples] | None = None,
    on_epoch: OnEpoch | None = None,
    on_state: OnState | None = None,
) -> MapState:
    """Run one batch epoch per step, continuing from a state.

    Parameters
    ----------
    state : MapState
    steps : sequence of Step
        Steps of the complete training; those in the state's history are skipped.
    samples : TrainingSamples
    training : Training
    warm_up : callable, optional
        Returns the samples of the steps that run on a sample.
    on_epoch : callable, optional
    on_state : callable (MapState), optional
        Called after each epoch, before `on_epoch`.

    Returns
    -------
    MapState
        After a refinement, the units are arranged in the order of the map.
    """
    stop, fixed = False, list(state.fixed)
    for number, step in enumerate(steps[len(state.history) :], start=len(state.history) + 1):
        shown = warm_up() if step.sampled and warm_up is not None else samples
        if step.searched:
            state = replace(state, codebook=shown.search_palette(state.codebook, training.seed, state.fixed))
        neighborhood = Neighborhood(training.lattice, training.neighborhood, step.sigma)
        total = shown.batch_sums(state.codebook, neighborhood, step.removed)
        if not total.quality.hits.any():
            raise InputError(NO_SAMPLES)
        updated = update(state.codebook, total)
        updated[fixed] = state.codebook[fixed]
        moving = any(later.added for later in steps[number:])
        if step.sigma == steps[-1].sigma and not (moving or step.sampled):
            stop |= _settled(state.codebook, updated, total, training.tolerance)
        codebook = _change_units(updated, total, step, training, number, fixed)
        record = _record(number, step, total)
        state = MapState(
            codebook, codebook if step.sigma > 0 else state.laid_out, (*state.history, record), state.fixed
        )
        _log(record, len(steps))
        if on_state is not None:
            on_state(state)
        if on_epoch is not None:
            view = codebook.view()
            view.flags.writeable = False
            stop |= bool(on_epoch(record, view))
        if stop and len(codebook) == training.lattice.units:
            logger.info("stopped after epoch %d", number)
            break
    if any(step.added or step.searched for step in steps):
        order = arranged_order(state.codebook, state.laid_out)
        moved = tuple(int(unit) for unit in np.argsort(order)[fixed])
        state = replace(state, codebook=state.codebook[order], fixed=moved)
    return state


def _log(record: Epoch, epochs: int) -> None:
    logger.info(
        "epoch %d of %d%s: sigma %.4g, mean squared error %.6g",
        record.epoch,
        epochs,
        " on the sample" if record.sampled else "",
        record.sigma,
        record.mean_squared_error,
        extra={"fields": asdict(record)},
    )


def _change_units(
    codebook: NDArray[np.float64], total: BatchSums, step: Step, training: Training, epoch: int, fixed: Sequence[int]
) -> NDArray[np.float64]:
    """Add, remove and move units after an update, according to the step and `empty_units`."""
    movable, added = training.lattice.units - len(fixed), step.added
    empty = np.empty(0, np.int64)
    if training.empty_units == "reseed":
        empty = np.setdiff1d(np.flatnonzero(~reached(total).any(axis=1)), fixed)
    if len(empty) or added:
        found = add_near_worst(
            codebook,
            total.quality.squared_errors,
            total.quality.hits,
            len(empty) + min(added, movable),
            training.seed + epoch,
        )
        places = empty[: len(found)]
        codebook[places] = found[: len(places)]
        codebook = np.concatenate([codebook, found[len(places) :]])
    if step.removed:
        assert total.utilities is not None  # noqa: S101 - asked for with the sums
        codebook = remove_least_useful(codebook, total.utilities, training.lattice.units, fixed)
    return codebook


def _record(number: int, step: Step, total: BatchSums) -> Epoch:
    quality = total.quality
    return Epoch(
        epoch=number,
        sigma=step.sigma,
        mean_squared_error=quality.mean_squared_error,
        quantization_error=quality.quantization_error,
        distortion=total.distortion / float(quality.hits.sum()),
        explained_variance=quality.explained_variance,
        empty_units=quality.empty_units,
        sampled=step.sampled,
    )


def _settled(before: NDArray[np.float64], after: NDArray[np.float64], total: BatchSums, tolerance: float) -> bool:
    if tolerance == 0:
        return False
    step = float(((after - before) ** 2).sum(axis=1).mean())
    return step <= tolerance**2 * total.quality.deviation / float(total.quality.hits.sum())
