"""The default start of symmetric data against starts from samples: batch updates preserve symmetries of a start.

Each ratio is the error (mean squared, after a fit with the defaults) from the default start to the least of three
starts from samples.
"""

from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import Row, Sizes
from dasksom import BatchSOM

TARGET = 1.05


def _grid(values: NDArray[np.generic], bands: int) -> NDArray[np.generic]:
    return np.array(list(product(values, repeat=bands)))


def _sphere() -> NDArray[np.float64]:
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 100, endpoint=False), np.linspace(-1, 1, 60))
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=-1).reshape(-1, 3)


def symmetric_sets() -> dict[str, NDArray[np.generic]]:
    """Make tables and one image whose symmetries a plane of principal components shares."""
    turn = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    ball = _grid(np.linspace(-1, 1, 21), 3)
    return {
        "cube of colors": _grid(np.arange(0, 256, 8, dtype=np.uint8), 3).reshape(-1, 32, 3),
        "circle": circle,
        "saddle over a circle": np.column_stack([circle, np.cos(2 * turn)]),
        "two rings": np.concatenate([circle, circle * 3]),
        "sphere": _sphere(),
        "ball": ball[(ball**2).sum(axis=1) < 1],
        "square grid": _grid(np.linspace(-1, 1, 60), 2),
        "grid of 4 bands": _grid(np.linspace(-1, 1, 7), 4),
        "corners of a cube of 8 bands": _grid(np.array([-1.0, 1.0]), 8),
        "axes of 5 bands": np.concatenate([np.linspace(-1, 1, 101)[:, None] * axis for axis in np.eye(5)]),
    }


def starts(sizes: Sizes, _: Path) -> list[Row]:
    """Fit every set on three lattices: one square, one smaller, one of a single row."""
    rows = []
    for name, samples in list(symmetric_sets().items())[: 1 if sizes.toy else None]:
        for shape in ((8, 8),) if sizes.toy else ((16, 16), (8, 8), (1, 30)):
            if shape[0] * shape[1] > len(samples) / 4:
                continue
            default = _error(samples, shape)
            drawn = [_error(samples, shape, init="sample", random_state=seed) for seed in range(3)]
            detail = f"{default:.4g} / {', '.join(f'{one:.4g}' for one in drawn)}"
            label = f"start, {name}, {shape[0]} x {shape[1]}: default / best sample"
            rows.append(Row(label, default / min(drawn), f"<= {TARGET}", detail))
    return rows


def _error(samples: NDArray[np.generic], shape: tuple[int, int], **given: object) -> float:
    return float(BatchSOM(*shape, **given).fit(samples).evaluate(samples).mean_squared_error)
