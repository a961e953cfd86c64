import dask
import dask.array as da
import numpy as np
import pytest

from dasksom.som.bmu.nearest import nearest_units, two_nearest_units
from dasksom.som.lattice import Lattice
from dasksom.som.samples import Samples
from dasksom.som.statistics.moments import moments
from dasksom.som.unit_sums import gather
from dasksom.training.color_histogram import count_image, has_color_table


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_count_image__equals_unique(photograph, bands):
    image = photograph[..., :bands]
    table = count_image(da.from_array(image, chunks=(130, 170, bands)))
    expected, times = np.unique(image.reshape(-1, bands), axis=0, return_counts=True)
    got = dict(zip(map(tuple, table.colors().tolist()), table.counts.tolist(), strict=True))
    assert got == dict(zip(map(tuple, expected.tolist()), times.tolist(), strict=True))


def test_count_image__is_the_same_whatever_the_chunks_and_the_scheduler(photograph, client):
    tables = []
    for chunks in ((400, 600, 3), (64, 64, 3), (1, 600, 3)):
        image = da.from_array(photograph, chunks=chunks)
        tables.append(count_image(image))
        with dask.config.set(scheduler="sync"):
            tables.append(count_image(image))
    for table in tables[1:]:
        assert np.array_equal(table.numbers, tables[0].numbers)
        assert np.array_equal(table.counts, tables[0].counts)


def test_unit_sums__equal_those_of_all_pixels(photograph):
    table = count_image(da.from_array(photograph, chunks=(100, 600, 3)))
    codebook = np.random.default_rng(0).uniform(0, 255, (100, 3))
    lattice, pixels = Lattice(10, 10), photograph.reshape(-1, 3)
    counted, misplaced = table.unit_sums(codebook, utilities=True, lattice=lattice)
    best, second = two_nearest_units(pixels, codebook, precision="float64")
    streamed = gather(Samples(pixels, None, None), codebook, best, second)
    assert np.array_equal(counted.hits, streamed.hits)
    assert np.array_equal(counted.sums, streamed.sums)  # integers, exact in both
    assert np.allclose(counted.squared_errors, streamed.squared_errors, rtol=1e-12)
    assert np.allclose(counted.utilities, streamed.utilities, rtol=1e-9)
    assert counted.distance == pytest.approx(streamed.distance, rel=1e-12)
    assert misplaced == (~lattice.adjacent(best, second)).sum()


def test_unit_sums__no_error_where_every_color_has_its_unit():
    image = np.array([[[1, 2, 3], [250, 9, 77]]], np.uint8)
    table = count_image(da.from_array(image))
    gathered, _ = table.unit_sums(np.array([[1.0, 2, 3], [250, 9, 77]]))
    assert gathered.squared_errors.tolist() == [0, 0]
    assert gathered.hits.tolist() == [1, 1]


def test_moments__equal_those_of_all_pixels(photograph):
    counted = count_image(da.from_array(photograph)).moments()
    streamed = moments(photograph.reshape(-1, 3))
    assert counted.count == streamed.count
    assert np.allclose(counted.mean, streamed.mean, rtol=1e-13)
    assert np.allclose(counted.scatter, streamed.scatter, rtol=1e-11)


def test_quality__is_that_of_the_labels(photograph):
    table = count_image(da.from_array(photograph))
    codebook = np.random.default_rng(0).uniform(0, 255, (30, 3))
    quality = table.quality(codebook, Lattice(5, 6))
    labels = nearest_units(photograph.reshape(-1, 3), codebook, precision="float64")
    away = ((photograph.reshape(-1, 3) - codebook[labels]) ** 2).sum(axis=1)
    assert quality.mean_squared_error == pytest.approx(away.mean(), rel=1e-12)
    assert quality.hits.tolist() == np.bincount(labels, minlength=30).tolist()


@pytest.mark.parametrize(
    ("shape", "dtype", "counted"),
    [
        ((4, 4, 3), "u1", True),
        ((4, 1), "u1", True),
        ((4, 4, 4), "u1", False),
        ((4, 4, 3), "u2", False),
        ((4, 4, 1), "u2", True),
        ((4, 1), "i2", True),
        ((4, 1), "u4", False),
        ((4, 4, 1), "f2", False),
        ((4, 4, 3), "i1", False),
    ],
)
def test_has_color_table__8_bit_colors_and_16_bit_values(shape, dtype, counted):
    assert has_color_table(da.zeros(shape, dtype=dtype)) is counted
