"""The trained map: the vectors of its units, and a description of their training."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.samples import LARGEST

FORMAT = 1
"""Version of the array format; incremented when an older dasksom cannot read newer arrays."""
FEATURES_FORMAT = 2
"""The same with features."""


@dataclass(frozen=True, eq=False)
class Codebook:
    """The vectors of a map's units and their description; immutable."""

    weights: NDArray[np.float64]
    """Shape (rows, columns, bands), float64, read-only, in the units of the image."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Description of the training: JSON values by name."""
    feature_weights: NDArray[np.float64] | None = None
    """The same vectors in the features that the map compares, shape (rows, columns, features); None: the bands."""

    def __post_init__(self) -> None:
        weights = np.array(self.weights, np.float64)
        if weights.ndim != 3 or 0 in weights.shape:
            raise InputError(f"a codebook has the shape (rows, columns, bands), none of them 0; got {weights.shape}")
        if not (np.abs(weights) <= LARGEST).all():
            raise InputError(f"a codebook holds finite numbers up to {LARGEST:g}; this one has others")
        weights.flags.writeable = False
        object.__setattr__(self, "weights", weights)

    @property
    def units(self) -> NDArray[np.float64]:
        """The vectors, row by row of the map: shape (units, bands)."""
        return self.weights.reshape(-1, self.weights.shape[2])

    @property
    def dtype(self) -> str | None:
        """Name of the dtype of the training image; None if unknown."""
        name = self.about.get("dtype")
        return name if isinstance(name, str) else None

    def palette(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the vectors as an image's dtype, shape (units, bands); rounded and clipped for integers."""
        if not np.issubdtype(dtype, np.integer):
            return self.units.astype(dtype)
        limits = np.iinfo(dtype)
        rounded = np.rint(self.units)
        # float64 cannot represent the largest 64-bit integers; use the next lower float64
        highest = np.float64(limits.max) if limits.bits < 64 else np.nextafter(np.float64(limits.max), 0)
        return np.clip(rounded, limits.min, highest).astype(dtype)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays: `weights`, `about` as JSON text in UTF-8 bytes, and `feature_weights` if there are any.

        Maps with features have a format of their own, so that an older dasksom does not apply them without.
        """
        featured = self.feature_weights is not None
        about = json.dumps({"format": FEATURES_FORMAT if featured else FORMAT, **self.about}, sort_keys=True).encode()
        arrays: dict[str, NDArray[Any]] = {"weights": self.weights, "about": np.frombuffer(about, np.uint8)}
        return arrays if self.feature_weights is None else {**arrays, "feature_weights": self.feature_weights}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Codebook":
        """Undo `to_arrays`.

        Raises
        ------
        InputError
            If the arrays are not a codebook, or have a newer format version.
        """
        try:
            weights, about = arrays["weights"], json.loads(arrays["about"].tobytes())
            version = about.pop("format")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise InputError(f"not a dasksom model ({error}); `dasksom train` writes them") from error
        if version not in (FORMAT, FEATURES_FORMAT):
            raise InputError(f"a model of format {version}; this dasksom reads format {FORMAT} and {FEATURES_FORMAT}")
        features = arrays.get("feature_weights")
        for array in (weights, features):
            if array is not None and array.dtype.kind != "f":
                raise InputError(f"the weights are {array.dtype}, not floating point")
        if features is not None and not (features.ndim == 3 and (np.abs(features) <= LARGEST).all()):
            raise InputError(f"the weights of the features are not finite numbers up to {LARGEST:g}")
        return cls(weights, about, features)
