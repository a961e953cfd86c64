"""A pass whose results tell of every chunk, and what must hold of them."""

import dask.array as da
import numpy as np
import pytest

from dasksom.chunkwise import chunk_count


def tell(block, corner, sent=None):
    return [(corner, block.shape, float(block.sum()), None if sent is None else sent.shape)]


def tell_sums(block, corner, *beside):
    return [(corner, *(float(one.sum()) for one in (block, *beside)))]


def chain(parts):
    return [record for part in parts for record in part]


def random_image(shape=(37, 50, 3), chunks=(10, 7, 3)):
    data = np.random.default_rng(0).random(shape)
    return data, da.from_array(data, chunks=chunks)


def check(data, image, records):
    for corner, shape, total, _ in records:
        place = tuple(slice(first, first + size) for first, size in zip(corner, shape, strict=True))
        assert total == pytest.approx(data[place].sum())
    corners = [corner for corner, *_ in records]
    assert corners == sorted(corners)
    assert len(corners) == chunk_count(image)
