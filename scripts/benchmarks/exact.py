"""Labels against brute-force searches in float64: of photographs, and of generated samples of every kind and type."""

from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
from skimage import data

from benchmarks.measuring import GRID, Row, Sizes
from dasksom import BatchSOM
from dasksom.som.bmu.nearest import NearestSearch

SHAPES = ((9, 3), (64, 8), (256, 5), (400, 22))
"""Units and bands."""
METRICS = {"euclidean": 0, "manhattan": 1, "chebyshev": 2}


def exact(sizes: Sizes, _: Path) -> list[Row]:
    """Compare labels of photographs, and of 100 million samples of every kind and type, with searches in float64."""
    rows = []
    for name, image in (("astronaut", data.astronaut()), ("retina", data.retina()), ("coffee", data.coffee())):
        som = BatchSOM(*GRID, epochs=10).fit(image)
        labels, units = som.predict(image).reshape(-1), som.codebook_.units
        pixels = image.reshape(-1, 3).astype(np.float64)
        wrong = 0
        for start in range(0, len(pixels), 1 << 14):
            part = slice(start, start + (1 << 14))
            distances = ((pixels[part, None] - units) ** 2).sum(axis=2)
            wrong += int((distances[np.arange(len(distances)), labels[part]] > distances.min(axis=1)).sum())
        rows.append(Row(f"labels that are not nearest, {name}", wrong, "0", f"of {len(pixels)} pixels"))
    return rows + [_row(name, make, 2_000 if sizes.toy else 600_000) for name, make in KINDS.items()]


@numba.njit(parallel=True)
def _differing(samples, units, metric, labels):
    """Count labels that are not the lowest of the nearest units: sums band by band, in float64."""
    wrong = 0
    for row in numba.prange(len(samples)):
        best, nearest = np.inf, 0
        for unit in range(len(units)):
            total = 0.0
            for band in range(units.shape[1]):
                away = samples[row, band] - units[unit, band]
                if metric == 0:
                    total += away * away
                elif metric == 1:
                    total += abs(away)
                else:
                    total = max(total, abs(away))
            if total < best:
                best, nearest = total, unit
        wrong += labels[row] != nearest
    return wrong


class _Counting(NearestSearch):
    """A search that counts the samples that it compares in float64."""

    def _exact(self, samples, limits):
        self.__dict__["compared"] = self.__dict__.get("compared", 0) + len(samples)
        return super()._exact(samples, limits)


def _row(name: str, make: Callable[..., tuple[np.ndarray, np.ndarray]], count: int) -> Row:
    wrong = total = compared = 0
    draw = np.random.default_rng(len(name))
    for units, bands in SHAPES:
        samples, codebook = make(draw, count, units, bands)
        codebook = np.ascontiguousarray(codebook, np.float64)
        for metric, number in METRICS.items():
            search = _Counting(codebook, metric)
            labels = search.labels(samples)[0]
            wrong += _differing(samples.astype(np.float64), codebook, number, labels)
            total, compared = total + count, compared + search.__dict__.get("compared", 0)
    detail = f"of {total / 1e6:.3g} million, {compared / total:.2%} compared in float64"
    return Row(f"labels that are not nearest, {name}", wrong, "0", detail)


def _normal(dtype: str, scale: float = 1.0, offset: float = 0.0) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    def make(draw, count, units, bands):
        samples = (draw.standard_normal((count, bands)) * scale + offset).astype(dtype)
        return samples, samples[draw.integers(count, size=units)] + scale * draw.standard_normal((units, bands)) / 10

    return make


def _integers(dtype: str) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    limits = np.iinfo(dtype)

    def make(draw, count, units, bands):
        samples = draw.integers(limits.min, limits.max, (count, bands), dtype, endpoint=True)
        return samples, samples[draw.integers(count, size=units)].astype(float) + draw.random((units, bands))

    return make


def _outlier(draw, count, units, bands):
    samples, codebook = _normal("f4")(draw, count, units, bands)
    samples[0], codebook[0], codebook[units // 2, 0] = 1e6, 1e6, -1e9
    return samples, codebook


def _two_groups(draw, count, units, bands):
    samples, codebook = _normal("f4")(draw, count, units, bands)
    samples[::2] += 1e5
    codebook[::2] += 1e5
    return samples, codebook


def _fluorescence(draw, count, units, bands):
    bright = draw.random((count, 1)) < 0.02
    levels = np.where(bright, draw.integers(20_000, 60_000, (count, bands)), draw.integers(100, 300, (count, bands)))
    return levels.astype(np.uint16), levels[draw.integers(count, size=units)] + draw.random((units, bands))


def _ties(draw, count, units, bands):
    """Integers and half-integers: many samples are equally far from several units, and units are repeated."""
    return draw.integers(0, 4, (count, bands)).astype("f4"), draw.integers(0, 7, (units, bands)) / 2


KINDS = {
    "uint8": _integers("u1"),
    "uint16": _integers("u2"),
    "int16": _integers("i2"),
    "uint32": _integers("u4"),
    "float16": _normal("f2", 10),
    "float32": _normal("f4"),
    "float64": _normal("f8"),
    "float32, offset 1e7": _normal("f4", 1, 1e7),
    "float64, offset 1e12": _normal("f8", 1, 1e12),
    "float32, 1e30": _normal("f4", 1e30),
    "an outlier": _outlier,
    "groups far apart": _two_groups,
    "fluorescence": _fluorescence,
    "ties": _ties,
}
