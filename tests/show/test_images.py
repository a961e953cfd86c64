import dask.array as da
import numpy as np
import pytest
import zarr

from dasksom.show import plot_before_after, plot_labels, thumbnail


@pytest.mark.parametrize("shape", [(1000, 700), (700, 1000, 3), (64, 64), (1, 5000, 2)])
@pytest.mark.parametrize("side", [64, 500])
def test_thumbnail__is_every_nth_pixel(random, shape, side):
    image = random.integers(0, 256, shape, np.uint8)
    found = thumbnail(image, side)
    step = -(-max(shape[:2]) // side)
    assert np.array_equal(found, image[::step, ::step])
    assert max(found.shape[:2]) <= side


def test_thumbnail__reads_chunk_by_chunk(random, tmp_path):
    image = random.integers(0, 256, (500, 600, 3), np.uint8)
    stored = zarr.create_array(tmp_path / "a.zarr", data=image, chunks=(100, 100, 3))
    assert np.array_equal(thumbnail(stored, 60), image[::10, ::10])
    largest = []

    def read(block):
        largest.append(block.size)
        return block

    lazy = da.from_array(image, chunks=(100, 100, 3)).map_blocks(read, meta=np.empty((0, 0, 0), np.uint8))
    assert np.array_equal(thumbnail(lazy, 60), image[::10, ::10])
    assert max(largest) == 100 * 100 * 3


def test_thumbnail__of_a_pyramid_reads_the_smallest_level_that_will_do(random):
    class Untouched:
        def __init__(self, side):
            self.shape = (side, side)

    level = random.integers(0, 9, (250, 250))
    assert np.array_equal(thumbnail([Untouched(1000), Untouched(500), level, level[::2, ::2]], 200), level[::2, ::2])
    assert np.array_equal(thumbnail([level, level[::2, ::2]], 125), level[::2, ::2])
    assert np.array_equal(thumbnail([level, level[::2, ::2]], 1000), level)  # none is large enough: the whole


def test_labels__have_the_colors_of_their_units(trained, random):
    som = trained()
    labels = random.integers(-1, 24, (30, 40))
    figure = plot_labels(da.from_array(labels, chunks=10), som)
    found = figure.axes[0].images[0].get_array()
    assert np.allclose(found[..., :3][labels >= 0], som.weights_.reshape(-1, 3)[labels[labels >= 0]] / 255)
    assert np.array_equal(found[..., 3] == 0, labels < 0)


def test_labels__without_a_map_are_numbers(random):
    labels = random.integers(-1, 24, (30, 40))
    found = plot_labels(labels).axes[0].images[0].get_array()
    assert np.array_equal(found.filled(-1), labels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_before_after__are_shown_on_one_scale(random, dtype):
    before = random.integers(0, 250, (20, 30, 3)).astype(dtype) * (100 if dtype == np.uint16 else 1)
    after = before // 2
    first, second = (ax.images[0].get_array() for ax in plot_before_after(before, after).axes)
    low, high = (before.min(axis=(0, 1)), before.max(axis=(0, 1))) if dtype == np.uint16 else (0, 255)
    for found, image in ((first, before), (second, after)):
        assert np.allclose(found[..., :3], np.clip((image - np.float64(low)) / (high - np.float64(low)), 0, 1))


def test_before_after__pixels_without_data_are_transparent():
    before = np.ones((5, 6, 1), np.float32)
    before[2] = np.nan
    found = plot_before_after(before, before).axes[1].images[0].get_array()
    assert (found[..., 3] == 0)[2].all()
    assert (found[..., 3] == 1)[3].all()
