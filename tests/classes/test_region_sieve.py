"""Small regions over the borders of chunks, next to GDAL's sieve of the complete image."""

import dask
import dask.array as da
import numpy as np
import pytest
from rasterio.features import sieve
from scipy import ndimage

from dasksom import InputError
from dasksom.classes.class_image import Tidying
from dasksom.classes.region_sieve import sieve_of


def spiral(side):
    """Nested lines of one class that cross every chunk, with lines of others between them."""
    y, x = np.mgrid[:side, :side] - side // 2
    return (np.floor(np.hypot(x, y) / 2 + np.arctan2(y, x) / np.pi) % 3 + 1).astype(np.uint8)


def images():
    random = np.random.default_rng(0)
    noise = random.integers(0, 5, (37, 41)).astype(np.uint8)
    yield "noise", noise
    yield "ties", np.kron(random.integers(0, 4, (12, 13)), np.ones((2, 3))).astype(np.uint8)
    yield "smooth", ndimage.median_filter(noise, 3)
    yield "spiral", spiral(40)
    yield "columns", np.tile(random.integers(1, 4, 41).astype(np.uint8), (37, 1))


@pytest.mark.parametrize("chunks", [(100, 100), (16, 7), (3, 5)])
@pytest.mark.parametrize(("name", "image"), [*images()])
def test_sieve__is_gdal_s_for_any_chunks(name, image, chunks):
    lazy = da.from_array(image[..., np.newaxis], chunks=(*chunks, 1))
    for least in (2, 7, 40, 400):
        merged = np.zeros_like(image)
        with dask.config.set(scheduler="sync"):
            found = sieve_of(lazy, least)
        for row in range(0, image.shape[0], chunks[0]):
            for column in range(0, image.shape[1], chunks[1]):
                box = slice(row, row + chunks[0]), slice(column, column + chunks[1])
                merged[box] = found.merge(image[box], (row, column))
        assert np.array_equal(merged, sieve(image, least, mask=image > 0))


@pytest.mark.parametrize(("filters", "message"), [((4, 0), "smooth: 4 is not an odd"), ((0, 1), "min-area: 1 is not")])
def test_tidying__refuses_other_numbers(filters, message):
    with pytest.raises(InputError, match=message):
        Tidying(*filters)
