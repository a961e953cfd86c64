import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dasksom.view import layers
from dasksom.view.cache import BlockCache
from dasksom.view.layers import VIEW_TILE as TILE
from dasksom.view.layers import Layer
from dasksom.view.levels import levels_of


def numbers(height, width):
    """Every pixel another number, none 0."""
    return np.arange(1, height * width + 1, dtype=np.uint32).reshape(height, width)


def layer_of(image, chunks, depth=1):
    levels = [(da.from_array(image[:: 1 << n, :: 1 << n], chunks=chunks),) for n in range(depth)]
    return Layer("labels", levels_of(levels), BlockCache(1 << 20), lambda block: block[0])


def expected(image, step, row, column):
    part = image[::step, ::step][row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
    return np.pad(part, [(0, TILE - side) for side in part.shape])


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 700), st.integers(1, 700)),
    st.tuples(st.integers(50, 300), st.integers(50, 300)),
    st.integers(0, 3),
    st.integers(1, 4),
    st.data(),
)
def test_tile__is_every_nth_pixel_of_the_image(size, chunks, steps, depth, data):
    image = numbers(*size)
    layer = layer_of(image, chunks, depth)
    down, across = (-(-side // (TILE << steps)) for side in size)
    row, column = data.draw(st.integers(0, down - 1)), data.draw(st.integers(0, across - 1))
    with ThreadPoolExecutor(1) as pool:
        tile, whole = layer.tile(1 << steps, row, column, pool)
    assert whole
    assert np.array_equal(tile, expected(image, 1 << steps, row, column))


def test_tile__reads_the_coarsest_level_that_is_fine_enough():
    image = numbers(1024, 1024)
    levels = [(da.from_array(image[::step, ::step] * 0 + step, chunks=128),) for step in (1, 2, 4)]
    layer = Layer("labels", levels_of(levels), BlockCache(1 << 20), lambda block: block[0])
    with ThreadPoolExecutor(1) as pool:
        assert [int(layer.tile(step, 0, 0, pool)[0][0, 0]) for step in (1, 2, 4, 8)] == [1, 2, 4, 4]


@pytest.mark.parametrize("levels", [[(1001, 1501), (250, 375)], [(1001, 1501), (334, 501)]])
def test_tile__of_levels_that_are_no_powers_of_two_shows_the_right_places(levels):
    # what a level holds is the row of the image that its pixel lies in
    arrays = [
        (da.from_array(np.repeat((np.arange(rows) * 1001 / rows)[:, None], columns, 1), chunks=100),)
        for rows, columns in levels
    ]
    layer = Layer("original", levels_of(arrays), BlockCache(1 << 22), lambda block: block[0])
    with ThreadPoolExecutor(1) as pool:
        tile, _ = layer.tile(4, 0, 0, pool)
    shown = tile[: -(-1001 // 4), 0]
    assert np.abs(shown - 4 * np.arange(len(shown))).max() <= 4


def test_tile__takes_arrays_that_belong_together(photograph):
    mask = photograph[..., 0] > 100
    lazy = da.from_array(photograph, chunks=(100, 70, 3)), da.from_array(mask, chunks=(130, 90))
    layer = Layer("original", levels_of([lazy]), BlockCache(1 << 22), lambda block: np.dstack([block[0], block[1]]))
    with ThreadPoolExecutor(1) as pool:
        tile, _ = layer.tile(2, 0, 1, pool)
    assert tile.shape == (TILE, TILE, 4)
    assert np.array_equal(tile[:200, :44, :3], photograph[::2, 512::2])
    assert np.array_equal(tile[:200, :44, 3], mask[::2, 512::2])


class Held:
    """An array whose blocks can be read only once `let` is set, and that counts them."""

    def __init__(self, image):
        self.image, self.let, self.read = image, threading.Event(), []
        self.shape, self.dtype, self.ndim = image.shape, image.dtype, image.ndim

    def __getitem__(self, region):
        if any(part.start == part.stop for part in region):
            return self.image[region]  # dask asks for nothing, to see of what kind it is
        assert self.let.wait(20)
        if self.image is None:
            raise OSError("the disk is gone")
        self.read.append(region)
        return self.image[region]


@pytest.fixture
def held(monkeypatch):
    monkeypatch.setattr(layers, "TILE_BYTES", 100_000)
    monkeypatch.setattr(layers, "OVERVIEW_SIDE", 200)
    array = Held(numbers(1500, 1100))
    lazy = da.from_array(array, chunks=150, asarray=False, inline_array=True)
    return array, Layer("labels", levels_of([(lazy,)]), BlockCache(1 << 22), lambda block: block[0])


def test_overview__grows_until_it_is_whole(held):
    array, layer = held
    with ThreadPoolExecutor(2) as pool:
        tile, whole = layer.tile(8, 0, 0, pool)
        assert not whole
        assert not tile.any()
        assert layer.overview.share == 0
        array.let.set()
    assert layer.overview.share == 1
    assert len(array.read) == 10 * 8  # each block once
    with ThreadPoolExecutor(1) as pool:
        for step in (8, 16):
            tile, whole = layer.tile(step, 0, 0, pool)
            assert whole
            assert np.array_equal(tile, expected(array.image, step, 0, 0))
        assert len(array.read) == 80
        # fine tiles are still read from the image
        tile, whole = layer.tile(1, 3, 2, pool)
    assert whole
    assert np.array_equal(tile, expected(array.image, 1, 3, 2))


def test_overview__is_not_read_for_those_who_look_at_details(held):
    array, layer = held
    array.let.set()
    with ThreadPoolExecutor(1) as pool:
        layer.tile(1, 0, 0, pool)
    assert len(array.read) == 4
    assert layer.overview.share == 0


def test_overview__is_shown_larger_where_more_would_have_to_be_decoded(held):
    array, layer = held
    array.let.set()
    with ThreadPoolExecutor(1) as pool:
        layer.tile(8, 0, 0, pool)
    with ThreadPoolExecutor(1) as pool:
        tile, whole = layer.tile(4, 0, 0, pool)
    assert whole
    assert np.array_equal(tile, np.repeat(np.repeat(array.image[::8, ::8][:128, :128], 2, 0), 2, 1))


def test_overview__tells_what_cannot_be_read(held):
    array, layer = held
    array.let.set()
    array.image = None
    with contextlib.suppress(OSError), ThreadPoolExecutor(1) as pool:  # it may be found out at once, or later
        layer.tile(8, 0, 0, pool)
    with pytest.raises(OSError, match="the disk is gone"), ThreadPoolExecutor(1) as pool:
        layer.tile(8, 0, 0, pool)


def test_overview__is_not_needed_where_levels_go_down_to_a_tile(monkeypatch):
    monkeypatch.setattr(layers, "TILE_BYTES", 100_000)
    assert layer_of(numbers(1500, 1100), 150, depth=4).overview is None
    assert layer_of(numbers(1500, 1100), 150, depth=1).overview is not None
