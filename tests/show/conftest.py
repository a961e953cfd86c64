from types import SimpleNamespace

import numpy as np
import pytest

from dasksom.som.quality import Epoch


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def trained(random):
    """Make what a figure sees of a trained map, of any size and kind."""

    def make(rows=4, columns=6, bands=3, topology="rectangular", toroidal=False, epochs=5):
        weights = random.integers(0, 256, (rows, columns, bands)).astype(float)
        hits = random.integers(0, 1000, rows * columns).astype(float)
        hits[0], hits[1] = 0, 1
        history = tuple(Epoch(n, 4.0 / n, 900.0 / n, 20.0, 1000.0, 0.5, 0) for n in range(1, epochs + 1))
        return SimpleNamespace(
            weights_=weights,
            topology=topology,
            toroidal=toroidal,
            history_=history,
            quality_=SimpleNamespace(hits=hits),
        )

    return make
