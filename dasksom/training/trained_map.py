"""The state of a map between two epochs, the result of a training, and its state in model files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.quality import Epoch, Quality

_VECTORS = ("hits", "squared_errors", "counts", "offsets")
"""Fields of `Quality` that are arrays."""


@dataclass(frozen=True, eq=False)
class MapState:
    """A map between two epochs: everything that the next epoch needs."""

    codebook: NDArray[np.float64]
    """Shape (units, bands), float64; includes units that a refinement has added."""
    laid_out: NDArray[np.float64]
    """Last codebook with a nonzero radius, shape (units, bands): the order that a refinement restores."""
    history: tuple[Epoch, ...] = ()
    """Records of the completed epochs."""


@dataclass(frozen=True, eq=False)
class TrainedMap:
    """The result of a training."""

    weights: NDArray[np.float64]
    """Shape (rows, columns, bands), in the units of the image for any color space."""
    history: tuple[Epoch, ...] = ()
    """One record per epoch."""
    quality: Quality | None = None
    """Quality of the trained map over all samples; None if that would need another pass over the image."""
    dtype: str | None = None
    """Type of the image; None if unknown."""

    def state(self) -> dict[str, Any]:
        """Return history and quality as JSON; numbers are exact."""
        quality = self.quality
        return {
            "history": [asdict(epoch) for epoch in self.history],
            "quality": quality
            and {
                field.name: value.tolist() if isinstance(value := getattr(quality, field.name), np.ndarray) else value
                for field in fields(quality)
            },
        }


def restored_map(weights: NDArray[np.float64], state: Mapping[str, Any], dtype: str | None) -> TrainedMap:
    """Restore a map from the result of `TrainedMap.state`; files of older versions have none.

    Raises
    ------
    InputError
        If the state is not a result of `TrainedMap.state`.
    """
    try:
        history = tuple(Epoch(**epoch) for epoch in state.get("history", ()))
        if not all(isinstance(value, int | float) for epoch in history for value in asdict(epoch).values()):
            raise TypeError("the record of an epoch holds other values than numbers")
        quality = _quality_from(state["quality"], weights[..., 0].size) if state.get("quality") else None
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"a model whose state cannot be read ({error}); train it again") from error
    return TrainedMap(weights, history, quality, dtype)


def _quality_from(values: Mapping[str, Any], units: int) -> Quality:
    converted: dict[str, Any] = {
        name: np.array(value, np.float64) if name in _VECTORS else value for name, value in values.items()
    }
    quality = Quality(**converted)
    if {quality.hits.shape, quality.squared_errors.shape} != {(units,)}:
        raise ValueError(f"its quality is not that of {units} units")
    return quality
