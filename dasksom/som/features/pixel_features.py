"""The features of pixels: computed from the bands of a chunk, and converted back to the units of the image."""

from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.features.arithmetic import Formula
from dasksom.som.features.transforms import TRANSFORMS
from dasksom.som.numba_kernel import kernel
from dasksom.som.samples import LARGEST

_BLOCK = 1 << 13
"""Number of samples converted to float64 at once."""
_TABLE_BITS = 16
"""Integers of at most this number of bits are converted by a table of all values."""


@dataclass(frozen=True)
class PixelFeatures:
    """The features of pixels, with the numbers that were measured on the training images.

    In this order: the image is blurred (not by `compute`, which gets blurred samples); the bands are transformed and,
    optionally, divided by their sum; formulas of the bands are added; each feature is centered, divided by its spread,
    capped, and multiplied by its weight. Computed in float64, held in float32 (in float64 for images of 64-bit numbers
    or 32-bit integers).
    """

    bands: int
    """Number of bands of the image; the first features are these bands."""
    transform: str = "none"
    """A name in ``dasksom.som.features.transforms.TRANSFORMS``, for the bands."""
    numbers: tuple[float, ...] = ()
    """Numbers of the transform."""
    shares: tuple[float, ...] = ()
    """If given, each band is divided by its number here, and then by the sum of all bands."""
    formulas: tuple[Formula, ...] = ()
    """Features after those of the bands."""
    center: tuple[float, ...] = ()
    """Shape (features,); empty: not scaled."""
    spread: tuple[float, ...] = ()
    cap: float | None = None
    """Features are limited to the range from -cap to cap."""
    weights: tuple[float, ...] = ()
    """Shape (features,); empty: 1 each."""
    blur: float = 0.0
    """Standard deviation of the Gaussian, in pixels, that the image is blurred with before all of this; 0: none."""

    @property
    def count(self) -> int:
        """Number of features."""
        return self.bands + len(self.formulas)

    @property
    def is_trivial(self) -> bool:
        """Whether the features are the bands as they are."""
        return self == PixelFeatures(self.bands)

    @property
    def by_band(self) -> bool:
        """Whether each feature depends on one band only."""
        return not (self.formulas or self.shares)

    @property
    def is_invertible(self) -> bool:
        """Whether the bands can be computed from the features."""
        return not self.shares and all(weight != 0 for weight in self.weights[: self.bands])

    def is_total(self, dtype: np.dtype[Any]) -> bool:
        """Return whether every pixel of a dtype has all features."""
        lowest = np.iinfo(dtype).min if dtype.kind in "ui" else -np.inf
        return self.by_band and (lowest > TRANSFORMS[self.transform].above or self.transform in ("none", "arcsinh"))

    def unscaled(self) -> "PixelFeatures":
        """Return the features before they are scaled, capped and weighted."""
        return replace(self, center=(), spread=(), cap=None, weights=())

    def compute(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the features of samples.

        Parameters
        ----------
        values : ndarray of shape (n, bands), real

        Returns
        -------
        ndarray of shape (n, features), float32 or float64
            NaN where a band is missing or a feature has no finite value.
        """
        dtype = np.result_type(values.dtype, np.float32)
        out = np.empty((len(values), self.count), dtype)
        if self.by_band and values.dtype.kind in "ui" and 8 * values.dtype.itemsize <= _TABLE_BITS:
            _look_up_values(values, *_value_table(self, values.dtype), out)
        elif self.by_band and self.transform == "none":
            cap, (center, spread, weights) = np.inf if self.cap is None else self.cap, self._vectors()
            _scale_values(values, center, spread, cap, weights, out)
        else:
            for start in range(0, len(values), _BLOCK):
                part = slice(start, start + _BLOCK)
                out[part] = self._in_float64(np.asarray(values[part], np.float64))
        return out

    def _vectors(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return center, spread and weights of the features."""
        zeros, ones = np.zeros(self.count), np.ones(self.count)
        return (
            np.array(self.center) if self.center else zeros,
            np.array(self.spread) if self.spread else ones,
            np.array(self.weights) if self.weights else ones,
        )

    def _in_float64(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        center, spread, weights = self._vectors()
        with np.errstate(all="ignore"):
            features = transformed(values, self.transform, self.numbers)
            if self.shares:
                features = features / np.array(self.shares)
                features = features / features.sum(axis=1, keepdims=True)
            if self.formulas:
                computed = [formula.compute(values)[:, None] for formula in self.formulas]
                features = np.concatenate([features, *computed], axis=1)
            features = (features - center) / spread
            if self.cap is not None:
                features = np.clip(features, -self.cap, self.cap)
            features = features * weights
            return np.where(np.abs(features) <= LARGEST, features, np.nan)

    def restore(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the bands of units, in the units of the image; the features must be invertible.

        Parameters
        ----------
        features : ndarray of shape (units, features), float64

        Returns
        -------
        ndarray of shape (units, bands), float64
        """
        center, spread, weights = (vector[: self.bands] for vector in self._vectors())
        scaled = features[:, : self.bands] / weights
        restored = TRANSFORMS[self.transform].inverse(scaled * spread + center, *self.numbers)
        return np.clip(np.asarray(restored, np.float64), -LARGEST, LARGEST)

    def state(self) -> dict[str, Any]:
        """Return the features as JSON; numbers are exact."""
        return asdict(self)


def features_from_state(state: Any) -> PixelFeatures:
    """Restore features from the result of `PixelFeatures.state`.

    Raises
    ------
    InputError
        If it is not one.
    """
    try:
        given = {field.name: state[field.name] for field in fields(PixelFeatures) if field.name != "blur"}
        given["blur"] = float(state.get("blur", 0.0))  # files of older versions have none
        given["formulas"] = tuple(Formula(str(one["name"]), str(one["text"])) for one in given["formulas"])
        for name in ("numbers", "shares", "center", "spread", "weights"):
            given[name] = tuple(float(number) for number in given[name])
        features = PixelFeatures(**given)
        TRANSFORMS[features.transform].forward(np.zeros(1), *features.numbers)
        features.compute(np.ones((1, features.bands)))
    except (KeyError, TypeError, ValueError, AttributeError, SyntaxError) as error:
        raise InputError(f"a model whose features cannot be read ({error}); train it again") from error
    return features


def transformed(values: NDArray[Any], transform: str, numbers: tuple[float, ...]) -> NDArray[np.float64]:
    """Return transformed values; NaN where a transform has no result."""
    known = TRANSFORMS[transform]
    values = np.asarray(values, np.float64)
    if known.above > -np.inf:
        values = np.where(values > known.above, values, np.nan)
    return np.asarray(known.forward(values, *numbers), np.float64)


@lru_cache(maxsize=8)
def _value_table(features: PixelFeatures, dtype: np.dtype[Any]) -> tuple[int, NDArray[np.float32]]:
    """Return the lowest value of an integer type, and the features of all its values, shape (bands, values)."""
    limits = np.iinfo(dtype)
    values = np.arange(int(limits.min), int(limits.max) + 1, dtype=np.float64)
    table = np.empty((features.bands, len(values)), np.float32)
    for start in range(0, len(values), _BLOCK):
        part = values[start : start + _BLOCK]
        computed = features._in_float64(np.repeat(part[:, None], features.bands, axis=1))
        table[:, start : start + _BLOCK] = computed.T
    return int(limits.min), table


@kernel
def _look_up_values(values: Any, lowest: Any, table: Any, out: Any) -> None:
    for i in range(values.shape[0]):
        for band in range(values.shape[1]):
            out[i, band] = table[band, np.int64(values[i, band]) - lowest]


@kernel
def _scale_values(values: Any, center: Any, spread: Any, cap: Any, weights: Any, out: Any) -> None:
    for i in range(values.shape[0]):
        for band in range(values.shape[1]):
            feature = (np.float64(values[i, band]) - center[band]) / spread[band]
            feature = cap if feature > cap else (-cap if feature < -cap else feature)
            out[i, band] = feature * weights[band]
