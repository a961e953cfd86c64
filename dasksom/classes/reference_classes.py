"""Classes of units from an image of known classes, and their accuracy on tiles that were held out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dask
import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from dasksom.chunkwise import Corner, Progress, reduce_chunks
from dasksom.classes.class_table import MOST_CLASSES
from dasksom.classes.statistics_pass import Pairs, combined_pairs, counted_pairs, labels_like
from dasksom.classes.unit_grouping import standardized
from dasksom.classes.unit_tables import Columns
from dasksom.errors import InputError
from dasksom.image import Picture, QuantizedImage

HELD_OUT_TILE = 256
"""Side of the tiles that are held out, in pixels."""
_UNITS, _HELD_OUT = 1 << 17, 1 << 16
"""Codes of pairs: unit, whether held out, and class; a map has at most 2^16 units, there are fewer classes."""


def held_out_tiles(shape: tuple[int, int], share: float, seed: int) -> NDArray[np.bool_]:
    """Choose tiles of an image at random; the same for any chunks.

    Returns
    -------
    ndarray of bool, one for each tile of `HELD_OUT_TILE` rows and columns
    """
    tiles = -(-shape[0] // HELD_OUT_TILE), -(-shape[1] // HELD_OUT_TILE)
    return np.asarray(np.random.default_rng(seed).random(tiles) < share)


def _pairs_of_chunk(
    block: NDArray[Any],
    corner: Corner,
    labels: NDArray[Any],
    mask: NDArray[Any] | None = None,
    *,
    held_out: NDArray[np.bool_],
    units_of: Any,
) -> Pairs:
    reference = block[..., 0]
    known = reference > 0 if mask is None else (reference > 0) & mask[..., 0].astype(np.bool_)
    if known.any() and int(reference[known].max()) > MOST_CLASSES:
        raise InputError(f"reference: class {reference[known].max()}; numbers of classes are 1 to {MOST_CLASSES}")
    rows, columns = ((start + np.arange(n)) // HELD_OUT_TILE for start, n in zip(corner, reference.shape, strict=False))
    units = units_of(labels[..., 0])
    known &= units >= 0
    codes = reference[known].astype(np.int64) + _HELD_OUT * held_out[np.ix_(rows, columns)][known]
    return counted_pairs(units[known], codes, np.ones(len(codes), np.int64))


@dataclass(frozen=True, eq=False)
class ReferenceCounts:
    """Pixels of each unit in each reference class."""

    classes: NDArray[np.int64]
    """Numbers of the reference classes, ascending."""
    fitted: NDArray[np.int64]
    """Pixels from which the class of a unit is taken, shape (units, classes)."""
    held_out: NDArray[np.int64]
    """Pixels of the tiles that were held out, in the same shape."""


def count_reference(
    result: QuantizedImage, reference: Picture, share: float, seed: int, progress: Progress | None = None
) -> ReferenceCounts:
    """Count the pixels of each unit in each reference class, exactly, in one pass over the labels and the reference.

    Parameters
    ----------
    result : QuantizedImage
    reference : Picture
        Of the same size, one band of integers; 0, negative and masked pixels are unknown.
    share : float
        Share of the tiles that are held out, 0 to less than 1.
    seed : int
    progress : callable, optional

    Raises
    ------
    InputError
        If it is not such an image, or has no known pixels.
    """
    image, mask = reference.pixels, reference.mask
    if image.shape[2] != 1 or image.dtype.kind not in "ui":
        raise InputError(
            f"the reference is an image of {image.shape[2]} bands of {image.dtype}; one band of integers, or of "
            "indices into a palette, is needed"
        )
    labels = labels_like(result, image)
    beside = [labels, None if mask is None else mask[..., np.newaxis]]
    tiles = held_out_tiles(result.shape, share, seed)
    with dask.config.set(scheduler="threads"):
        units, codes, pixels = reduce_chunks(
            image,
            _pairs_of_chunk,
            combined_pairs,
            beside=beside,
            progress=progress,
            held_out=tiles,
            units_of=result.units_of,
        )
    classes, column = np.unique(codes % _HELD_OUT, return_inverse=True)
    fitted = np.zeros((len(result.palette), len(classes)), np.int64)
    held_out = np.zeros_like(fitted)
    is_held_out = codes >= _HELD_OUT
    fitted[units[~is_held_out], column[~is_held_out]] = pixels[~is_held_out]
    held_out[units[is_held_out], column[is_held_out]] = pixels[is_held_out]
    if not fitted.any():
        raise InputError("the reference has no known pixels outside the tiles that are held out; 0 means unknown")
    return ReferenceCounts(classes, fitted, held_out)


@dataclass(frozen=True, eq=False)
class ReferenceClasses:
    """The class of each unit, and its agreement with the reference."""

    counts: ReferenceCounts
    numbers: NDArray[np.int64]
    """Class of each unit: that of most of its pixels, of equal ones the lowest; units without known pixels have the
    class of the nearest unit with some, units without any pixels none."""

    @classmethod
    def of(cls, counts: ReferenceCounts, vectors: NDArray[np.float64], hits: NDArray[Any]) -> ReferenceClasses:
        """Choose the classes; `vectors` are those of the units in feature space, `hits` their pixels."""
        numbers = np.zeros(len(vectors), np.int64)
        known = counts.fitted.any(axis=1)
        numbers[known] = counts.classes[counts.fitted[known].argmax(axis=1)]
        others = np.flatnonzero(~known & (np.asarray(hits) > 0))
        if len(others):
            features = standardized(np.asarray(vectors, np.float64))
            nearest = NearestNeighbors(n_neighbors=1).fit(features[known]).kneighbors(features[others])[1][:, 0]
            numbers[others] = numbers[known][nearest]
        return cls(counts, numbers)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Held-out pixels by reference class (rows) and class of their unit (columns), in the order of the classes."""
        classes = self.counts.classes
        matrix = np.zeros((len(classes), len(classes)), np.int64)
        for column, number in enumerate(classes):
            matrix[:, column] = self.counts.held_out[self.numbers == number].sum(axis=0)
        return matrix

    def purities(self, names: Sequence[str]) -> Columns:
        """Return a table with a row for each unit; `names` are those of the classes, from class 1 on."""
        fitted = self.counts.fitted
        pixels, most = fitted.sum(axis=1), fitted.max(axis=1)
        return {
            "unit": list(range(len(fitted))),
            "class": self.numbers.tolist(),
            "name": [names[number - 1] if number else "" for number in self.numbers],
            "reference_pixels": pixels.tolist(),
            "purity": [int(top) / int(total) if total else None for top, total in zip(most, pixels, strict=True)],
        }

    def accuracy(self) -> dict[str, Any]:
        """Return the confusion matrix, the accuracy and Cohen's kappa on the held-out pixels, as JSON values."""
        matrix = self.confusion
        total = int(matrix.sum())
        observed = int(np.trace(matrix)) / total if total else None
        by_chance = sum(int(a) * int(b) for a, b in zip(matrix.sum(axis=0), matrix.sum(axis=1), strict=True))
        expected = by_chance / total**2 if total else 1.0
        kappa = None if observed is None or expected == 1 else (observed - expected) / (1 - expected)
        return {
            "classes": self.counts.classes.tolist(),
            "confusion": matrix.tolist(),
            "pixels": total,
            "accuracy": observed,
            "kappa": kappa,
        }

    def confusion_table(self, names: Sequence[str]) -> Columns:
        """Return the confusion matrix as a table: a row for each reference class, a column for each class."""
        matrix = self.confusion
        classes = self.counts.classes.tolist()  # some may have no units, and no name
        named = [(names[number - 1] if number <= len(names) else "") or f"class {number}" for number in classes]
        return {"reference": named, **{name: matrix[:, column].tolist() for column, name in enumerate(named)}}

    def describe(self) -> list[str]:
        """Return the agreement in words."""
        known, about = self.counts.fitted.any(axis=1), self.accuracy()
        lines = [
            f"purity: {self.counts.fitted.max(axis=1).sum() / self.counts.fitted.sum():.1%} of the reference pixels"
        ]
        if others := int(((self.numbers > 0) & ~known).sum()):
            units = "1 unit has" if others == 1 else f"{others} units have"
            lines.append(f"{units} no reference pixels, and the class of the nearest unit that has some")
        if about["pixels"]:
            kappa = "not defined" if about["kappa"] is None else f"{about['kappa']:.3f}"
            lines.append(f"held-out tiles: accuracy {about['accuracy']:.1%}, kappa {kappa}, {about['pixels']:,} pixels")
        return lines


def accuracy_json(classes: ReferenceClasses, reference: str, share: float, seed: int) -> str:
    """Return the accuracy and what it was measured on, as the content of a file."""
    about = {"reference": reference, "held_out": share, "seed": seed, "tile": HELD_OUT_TILE}
    return json.dumps({**about, **classes.accuracy()}, indent=2) + "\n"
