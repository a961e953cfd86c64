"""The state of a map between two epochs, the result of a training, and its state in model files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.som.quality import Epoch, Quality

if TYPE_CHECKING:
    from dasksom.som.features.pixel_features import PixelFeatures

_features_from_state = deferred("dasksom.som.features.pixel_features:features_from_state")
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
    fixed: tuple[int, ...] = ()
    """Units that do not move."""


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
    features: "PixelFeatures | None" = None
    """Features that the map compares; None: the bands as they are."""
    feature_weights: NDArray[np.float64] | None = None
    """The codebook in these features, shape (rows, columns, features); None without features."""

    @property
    def compared_units(self) -> NDArray[np.float64]:
        """The codebook in features, or else in the units of the image: shape (units, features or bands)."""
        weights = self.weights if self.feature_weights is None else self.feature_weights
        return weights.reshape(-1, weights.shape[-1])

    def state(self) -> dict[str, Any]:
        """Return history, quality and features as JSON; numbers are exact."""
        quality = self.quality
        return {
            "history": [asdict(epoch) for epoch in self.history],
            "quality": quality
            and {
                field.name: value.tolist() if isinstance(value := getattr(quality, field.name), np.ndarray) else value
                for field in fields(quality)
            },
            "features": self.features and self.features.state(),
        }


def restored_map(
    weights: NDArray[np.float64],
    state: Mapping[str, Any],
    dtype: str | None,
    feature_weights: NDArray[np.float64] | None = None,
) -> TrainedMap:
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
    if not state.get("features"):
        return TrainedMap(weights, history, quality, dtype)
    features: PixelFeatures = _features_from_state(state["features"])
    shape = (*weights.shape[:2], features.count)
    if features.bands != weights.shape[2] or feature_weights is None or feature_weights.shape != shape:
        raise InputError(f"a model whose features are not those of its {weights.shape[2]} bands; train it again")
    return TrainedMap(weights, history, quality, dtype, features, feature_weights)


def _quality_from(values: Mapping[str, Any], units: int) -> Quality:
    converted: dict[str, Any] = {
        name: np.array(value, np.float64) if name in _VECTORS else value for name, value in values.items()
    }
    quality = Quality(**converted)
    if {quality.hits.shape, quality.squared_errors.shape} != {(units,)}:
        raise ValueError(f"its quality is not that of {units} units")
    return quality
