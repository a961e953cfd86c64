import numpy as np
import pytest

from dasksom.image import ome_results, photographs, tiff_layout, tiles, zarr_files, zarr_results


@pytest.fixture(autouse=True)
def _forget_open_files():
    for cached in (
        ome_results._target,
        photographs._decoded,
        tiff_layout._layout,
        tiff_layout._whole,
        tiles._tiling,
        tiles.tile_found,
        zarr_files._array,
        zarr_results._target,
    ):
        cached.cache_clear()


@pytest.fixture
def random():
    return np.random.default_rng(0)
