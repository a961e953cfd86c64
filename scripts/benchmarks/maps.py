"""Quality of maps of tables: quantization and topographic error on eleven sets, with the defaults of each tool.

Both errors are measured here for every tool, from its codebook alone: the mean distance to the nearest unit, and the
share of samples whose two nearest units are not among each other's 8 neighbors. SuSi and somoclu run where installed.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from minisom import MiniSom
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

from benchmarks.measuring import Row, Sizes
from dasksom import BatchSOM

Table = NDArray[np.float64]


def _chainlink(draw: np.random.Generator) -> Table:
    angles = draw.uniform(0, 2 * np.pi, (2, 500))
    flat, zero = np.stack([np.cos(angles), np.sin(angles)], axis=-1), np.zeros((500, 1))
    rings = [np.hstack([flat[0], zero]), np.hstack([flat[1][:, :1] + 1, zero, flat[1][:, 1:]])]
    return np.concatenate(rings) + draw.normal(0, 0.05, (1000, 3))


def _hepta(draw: np.random.Generator) -> Table:
    centers = 3.0 * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
    return np.repeat(centers, 30, axis=0) + draw.normal(0, 0.3, (210, 3))


def _sphere(draw: np.random.Generator) -> Table:
    points = draw.normal(size=(2000, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _scaled(loaded: Any) -> Table:
    return np.asarray(StandardScaler().fit_transform(loaded.data), np.float64)


def sets() -> dict[str, tuple[Table, tuple[int, int]]]:
    """Make the tables; each with the lattice that maps it."""
    draw = np.random.default_rng(0)
    return {
        "iris": (np.asarray(datasets.load_iris().data, np.float64), (8, 8)),
        "wine": (_scaled(datasets.load_wine()), (9, 7)),
        "digits": (datasets.load_digits().data / 16, (15, 14)),
        "breast cancer": (_scaled(datasets.load_breast_cancer()), (11, 11)),
        "chainlink": (_chainlink(draw), (12, 12)),
        "hepta": (_hepta(draw), (9, 8)),
        "swiss roll": (datasets.make_swiss_roll(2000, random_state=0)[0], (14, 14)),
        "s curve": (datasets.make_s_curve(2000, random_state=0)[0], (14, 14)),
        "sphere": (_sphere(draw), (16, 16)),
        "blobs": (datasets.make_blobs(1000, 5, centers=8, random_state=0)[0], (12, 12)),
        "moons": (datasets.make_moons(1000, noise=0.05, random_state=0)[0], (12, 12)),
    }


def errors(table: Table, codebook: Table) -> tuple[float, float]:
    """Measure the quantization error and the topographic error of a codebook (rows, columns, bands)."""
    _, columns, bands = codebook.shape
    distances = cdist(table, codebook.reshape(-1, bands))
    first, second = np.argsort(distances, axis=1, kind="stable")[:, :2].T
    steps = np.maximum(abs(first // columns - second // columns), abs(first % columns - second % columns))
    return float(distances.min(axis=1).mean()), float((steps > 1).mean())


def _dasksom(table: Table, rows: int, columns: int) -> Table:
    return np.asarray(BatchSOM(rows, columns, epochs=100).fit(table).weights_)


def _minisom(table: Table, rows: int, columns: int) -> Table:
    som = MiniSom(rows, columns, table.shape[1], sigma=max(rows, columns) / 2, random_seed=0)
    som.pca_weights_init(table)
    som.train(table, 100 * len(table), verbose=False)
    return np.asarray(som.get_weights())


def _xpysom(table: Table, rows: int, columns: int) -> Table:
    som = importlib.import_module("xpysom").XPySom(rows, columns, table.shape[1], random_seed=0)
    som.train(table, 100)
    return np.asarray(som.get_weights())


def _somoclu(table: Table, rows: int, columns: int) -> Table:
    som = importlib.import_module("somoclu").Somoclu(columns, rows, initialization="pca", verbose=0)
    som.train(np.asarray(table, np.float32), epochs=100)
    return np.asarray(som.codebook, np.float64)


def _susi(table: Table, rows: int, columns: int) -> Table:
    som = importlib.import_module("susi").SOMClustering(rows, columns, random_state=0, n_iter_unsupervised=20_000)
    return np.asarray(som.fit(table).unsuper_som_)


TOOLS: dict[str, Callable[[Table, int, int], Table]] = {
    "dasksom": _dasksom,
    "MiniSom": _minisom,
    "XPySom": _xpysom,
    "somoclu": _somoclu,
    "SuSi": _susi,
}


def maps(sizes: Sizes, _: Path) -> list[Row]:
    """Train every tool on every table: the ratio of our error to the least of the others, and all errors."""
    rows = []
    for name, (table, side) in list(sets().items())[: 1 if sizes.toy else None]:
        measured = {}
        for tool, train in TOOLS.items():
            try:
                measured[tool] = errors(table, train(table, *side))
            except ImportError:
                continue  # an optional peer
        others = [error for tool, (error, _) in measured.items() if tool != "dasksom"]
        detail = ", ".join(f"{tool} {error:.3f} / {order:.3f}" for tool, (error, order) in measured.items())
        rows.append(
            Row(
                f"{name} {side[0]}x{side[1]}: QE / least of the others",
                measured["dasksom"][0] / min(others),
                "",
                detail,
            )
        )
    return rows
