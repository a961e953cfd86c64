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

_BLOCK_VALUES = 1 << 15
"""Number of values converted to float64 at once: intermediates stay in the second-level cache."""
_TABLE_BITS = 16
"""Integers of at most this number of bits are transformed by a table of all values."""


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
    row_sum: str = "none"
    """Name and numbers of what `shares` are measured by."""
    scale: str = "none"
    """Name and numbers of the scaling that `center` and `spread` are measured by."""
    by_image: bool = False
    """Whether `shares`, `center` and `spread` are measured on each image, and not valid for another one."""

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
        out = np.empty((len(values), self.count), np.result_type(values.dtype, np.float32))
        scaling = self._linear()
        if self.by_band and self.transform == "none":
            _scale(values, *scaling, out)
        elif self.by_band and values.dtype.kind in "ui" and 8 * values.dtype.itemsize <= _TABLE_BITS:
            _scale_from_table(values, *_transform_table(self.transform, self.numbers, values.dtype), *scaling, out)
        else:
            rows, largest = max(1, _BLOCK_VALUES // self.count), min(LARGEST, float(np.finfo(out.dtype).max))
            for start in range(0, len(values), rows):
                part = slice(start, start + rows)
                _scale(self._unscaled_features(np.asarray(values[part], np.float64)), *scaling, out[part])
                out[part][~(np.abs(out[part]) <= largest)] = np.nan
        return out

    def _linear(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
        """Return what is subtracted from each feature, its factor then, and the limit of its magnitude."""
        center, spread, weights = self._vectors()
        return center, weights / spread, None if self.cap is None else self.cap * weights

    def _vectors(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return center, spread and weights of the features."""
        zeros, ones = np.zeros(self.count), np.ones(self.count)
        return (
            np.array(self.center) if self.center else zeros,
            np.array(self.spread) if self.spread else ones,
            np.array(self.weights) if self.weights else ones,
        )

    def _unscaled_features(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the transformed bands, or their shares, and the formulas."""
        with np.errstate(all="ignore"):
            features = transformed(values, self.transform, self.numbers)
            if self.shares:
                features = features / np.array(self.shares)
                features = features / features.sum(axis=1, keepdims=True)
        if self.formulas:
            computed = [formula.compute(values)[:, None] for formula in self.formulas]
            features = np.concatenate([features, *computed], axis=1)
        return features

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


ImageFeatures = PixelFeatures | tuple[PixelFeatures, ...] | None
"""Features of all images; those of each image, if several are measured by image; or the bands as they are."""


def features_of_image(features: ImageFeatures, number: int) -> PixelFeatures | None:
    """Return the features of an image by its number."""
    if not isinstance(features, tuple):
        return features
    return features[number if len(features) > 1 else 0] if features else None


def features_from_state(state: Any) -> PixelFeatures:
    """Restore features from the result of `PixelFeatures.state`.

    Raises
    ------
    InputError
        If it is not one.
    """
    try:
        newer = {
            "blur": 0.0,
            "row_sum": "none",
            "scale": "none",
            "by_image": False,
        }  # files of older versions lack them
        given = {field.name: {**newer, **state}[field.name] for field in fields(PixelFeatures)}
        given |= {"blur": float(given["blur"]), "by_image": bool(given["by_image"])}
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
def _transform_table(
    transform: str, numbers: tuple[float, ...], dtype: np.dtype[Any]
) -> tuple[NDArray[np.float64], int]:
    """Return the transformed values of an integer type, and its lowest value."""
    limits = np.iinfo(dtype)
    values = np.arange(int(limits.min), int(limits.max) + 1, dtype=np.float64)
    with np.errstate(all="ignore"):
        return transformed(values, transform, numbers), int(limits.min)


@kernel
def _scale(values: Any, shift: Any, factor: Any, limit: Any, out: Any) -> None:
    """Write (value - shift) * factor, limited if there are limits."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            feature = (np.float64(values[i, j]) - shift[j]) * factor[j]
            if limit is not None:
                feature = min(max(feature, -limit[j]), limit[j])
            out[i, j] = feature


@kernel
def _scale_from_table(values: Any, table: Any, lowest: Any, shift: Any, factor: Any, limit: Any, out: Any) -> None:
    """Do the same with the values that a table has for integers."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            feature = (table[np.int64(values[i, j]) - lowest] - shift[j]) * factor[j]
            if limit is not None:
                feature = min(max(feature, -limit[j]), limit[j])
            out[i, j] = feature
