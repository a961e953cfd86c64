"""The search for best-matching units, one thread, on random float32, against faiss and NumPy's matrix product alone."""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measuring import Row, Sizes, timed
from dasksom.som.bmu.nearest import nearest_units

KERNELS = (
    (3, 256, ">= 2"), (5, 256, ">= 2"), (10, 256, ">= 2"),
    (3, 1024, ">= 1.3"), (4, 1024, ">= 1.3"), (8, 1024, ">= 1.3"), (34, 1024, ">= 1.3"),
)  # fmt: skip
PRODUCTS = ((100, 256), (100, 1024), (400, 256), (400, 1024))
"""Bands and units: searches that are measured against faiss, and those against the bare matrix product."""


def search(sizes: Sizes, _: Path) -> list[Row]:
    """Time the search on one thread, on random float32, against faiss and the bare matrix product."""
    import faiss
    from threadpoolctl import threadpool_info, threadpool_limits

    faiss.omp_set_num_threads(1)
    rows, draw = [], np.random.default_rng(0)
    with threadpool_limits(1):
        blas = next(one for one in threadpool_info() if "numpy" in one["filepath"])
        for bands, units, target in (*KERNELS, *((*one, ">= 0.6") for one in PRODUCTS)):
            count = max(1, sizes.search_pairs // (bands * units) >> 12) << 12
            samples, codebook = (draw.random((n, bands), np.float32) for n in (count, units))
            ours: Callable[[], object] = partial(nearest_units, samples, codebook.astype(np.float64))
            if (bands, units) in PRODUCTS:
                name, peer = "sgemm", partial(_products, samples, codebook.T, np.empty((4096, units), np.float32))
            else:
                index = faiss.IndexFlatL2(bands)
                index.add(codebook)
                name, peer = "faiss", partial(index.search, samples, 1)
            ours(), peer()  # compiles
            mine, theirs = (statistics.median(one) for one in timed(ours, peer, repeats=max(5, sizes.repeats)))
            rates = " / ".join(f"{count * units * bands / one / 1e9:.1f}" for one in (mine, theirs))
            detail = f"{rates} x 10^9 multiply-adds per second, one thread"
            if name == "sgemm":
                detail += f", OpenBLAS {blas['version']} for {blas['architecture']}"
            rows.append(Row(f"search, {bands} bands, {units} units / {name}", theirs / mine, target, detail))
    return rows


def _products(samples: np.ndarray, units: np.ndarray, out: np.ndarray) -> None:
    for start in range(0, len(samples), len(out)):
        np.matmul(samples[start : start + len(out)], units, out=out)
