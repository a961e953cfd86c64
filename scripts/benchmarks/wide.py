"""Wide tables: the start of a map and a complete fit, next to two components of scikit-learn's PCA."""

import statistics
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from benchmarks.measuring import Row, Sizes, peak_memory, shown, timed
from dasksom import BatchSOM

SHAPES = ((56, 186_480), (400, 60_000), (20_000, 4_096))
"""Samples and bands."""


def wide(sizes: Sizes, _: Path) -> list[Row]:
    """Time a map of one epoch and PCA(2) on tables of five components and noise; and the memory of the map."""
    rows, draw = [], np.random.default_rng(0)
    BatchSOM(6, 6, epochs=1).fit(draw.normal(size=(50, 600)))  # compiles
    for count, bands in ((40, 5_000),) if sizes.toy else SHAPES:
        table = draw.normal(size=(count, 5)) @ draw.normal(size=(5, bands)) * 3
        for row in table:
            row += draw.normal(size=bands)
        before = peak_memory()
        [first] = timed(lambda table=table: BatchSOM(6, 6, epochs=1).fit(table), repeats=1)
        copies = (peak_memory() - before) / table.nbytes
        ours, theirs = timed(
            lambda table=table: BatchSOM(6, 6, epochs=1).fit(table),
            lambda table=table: PCA(2, random_state=0).fit(table),
            repeats=max(1, sizes.repeats - 1),
        )
        name = f"wide table, {count} x {bands}"
        ratio = statistics.median(theirs) / statistics.median(ours + first)
        rows += [
            Row(f"{name}: PCA(2) / fit of one epoch, time", ratio, ">= 1", f"{shown(theirs)} / {shown(first + ours)}"),
            Row("... memory of the fit, in copies of the table", copies, "<= 3", f"{table.nbytes >> 20} MiB each"),
        ]
    return rows
