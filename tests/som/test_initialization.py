from itertools import product

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasksom import BatchSOM
from dasksom.som.initialization import drawn_samples, pca_codebook, sample_positions
from dasksom.som.lattice import Lattice
from dasksom.som.statistics.moments import merge_moments, moments
from dasksom.som.statistics.principal_components import exact_spans
from dasksom.training.parameter_checks import search_from
from dasksom.training.start import TrainingImages, first_codebook
from dasksom.training.streaming import Stream


def test_moments__equal_numpy_whatever_the_groups():
    samples = np.random.default_rng(0).normal(3, 2, (1000, 4))
    for groups in ([samples], np.array_split(samples, 9)):
        merged = merge_moments([moments(group) for group in groups])
        assert merged.count == 1000
        assert np.allclose(merged.mean, samples.mean(axis=0), rtol=1e-12)
        assert np.allclose(merged.scatter / 1000, np.cov(samples.T, bias=True), rtol=1e-12)


def test_moments__a_large_offset_costs_no_precision():
    samples = np.random.default_rng(0).normal(0, 1, (200_000, 2)) + 1e8
    assert np.allclose(moments(samples).scatter / 200_000, np.cov(samples.T, bias=True), rtol=1e-6)


def test_moments__weights_count_as_repetition():
    samples, times = np.array([[1.0, 2], [5, 1], [3, 9]]), np.array([3, 1, 2])
    weighted, repeated = moments(samples, times), moments(np.repeat(samples, times, axis=0))
    assert weighted.count == repeated.count
    assert np.allclose(weighted.mean, repeated.mean)
    assert np.allclose(weighted.scatter, repeated.scatter)


@pytest.mark.parametrize(("rows", "columns"), [(5, 3), (3, 5), (1, 4), (1, 1)])
def test_pca_codebook__spans_the_plane_of_the_components(rows, columns):
    draw = np.random.default_rng(1)
    samples = draw.normal(0, 1, (5000, 3)) * [10, 3, 0.1] + [100, 50, 20]
    codebook = pca_codebook(Lattice(rows, columns), samples.mean(axis=0), exact_spans(moments(samples))).reshape(
        rows, columns, 3
    )
    assert np.allclose(codebook.mean(axis=(0, 1)), samples.mean(axis=0), atol=1e-9)
    longer = codebook[:, 0] if rows >= columns else codebook[0]
    if len(longer) > 1:
        assert np.ptp(longer[:, 0]) == pytest.approx(2 * samples[:, 0].std(), rel=0.01)
        assert longer[-1, 0] > longer[0, 0]


@pytest.mark.parametrize("weighted", [False, True])
def test_wide__start_in_the_plane_of_numpys_svd(weighted):
    """Two far components of 900 bands, with weights and missing bands; nothing of bands x bands is made."""
    draw = np.random.default_rng(3)
    scores, axes = draw.normal(0, [9, 4], (300, 2)), np.linalg.qr(draw.normal(size=(900, 2)))[0].T
    samples = scores @ axes + draw.normal(0, 0.01, (300, 900)) + 5
    weights = draw.integers(1, 4, 300) if weighted else np.ones(300, int)
    repeated = np.repeat(samples, weights, axis=0)
    center = repeated.mean(axis=0)
    _, lengths, vectors = np.linalg.svd(repeated - center, full_matrices=False)
    table = da.from_array(samples, chunks=(70, -1))
    som = BatchSOM(6, 4, epochs=1, sigma=(1e-9, 0), random_state=0)
    start = first_codebook_of(som, table, weights if weighted else None) - center
    plane = start @ vectors[:2].T
    assert np.abs(start - plane @ vectors[:2]).max() < 0.1  # but for the bend
    deviations = lengths[:2] / np.sqrt(len(repeated))
    assert np.ptp(plane, axis=0) == pytest.approx(2 * deviations, rel=0.01)
    assert moments(samples).scatter.shape == (900,)


def test_wide__has_the_same_bits_for_any_number_of_workers():
    table = da.from_array(
        np.random.default_rng(3).normal(size=(420, 1500)) @ np.diag(np.linspace(9, 1, 1500)), (70, -1)
    )
    maps = []
    for workers in (1, 2, 4):
        with dask.config.set(scheduler="threads", num_workers=workers):
            maps.append(BatchSOM(4, 5, epochs=4).fit(table).weights_)
    assert (maps[0] == maps[1]).all()
    assert (maps[0] == maps[2]).all()


def first_codebook_of(som, table, weights):
    """Return the codebook before the first epoch."""
    given = som.get_params()
    stream = Stream(table, None if weights is None else da.from_array(weights[:, None], chunks=(70, 1)))
    images = TrainingImages(table.dtype, table.shape[-1], ())
    return first_codebook(stream, search_from(given), given, images, 0, None, None)


def symmetric_sets():
    values, angles = np.arange(0, 256, 8, dtype=np.uint8), np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    cube = np.stack(np.meshgrid(values, values, values, indexing="ij"), axis=-1).reshape(-1, 32, 3)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 7)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    axes = np.concatenate([np.linspace(-1, 1, 101)[:, None] * axis for axis in np.eye(5)])
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return {
        "cube of colors": (cube, (16, 16)),
        "cube of colors, a row": (cube, (1, 30)),
        "circle, a row": (circle, (1, 30)),
        "grid of four bands": (grid, (16, 16)),
        "corners of a cube of eight bands": (np.array(list(product([-1.0, 1.0], repeat=8))), (8, 8)),
        "five axes": (axes, (8, 8)),
        "five axes, a row": (axes, (1, 30)),
        "two rings": (np.concatenate([circle, circle * 3]), (16, 16)),
        "saddle": (np.column_stack([circle, np.cos(2 * angles)]), (8, 8)),
    }


@pytest.mark.parametrize("name", symmetric_sets())
def test_pca_codebook__leaves_the_plane_of_symmetric_data(name):
    samples, shape = symmetric_sets()[name]

    def error(**options):
        return BatchSOM(*shape, **options).fit(samples).evaluate(samples).mean_squared_error

    assert error() <= 1.05 * min(error(init="sample", random_state=seed) for seed in range(3))


def test_first_codebook__of_symmetric_data_does_not_depend_on_chunks_or_a_warm_up():
    image = symmetric_sets()["five axes"][0].reshape(5, 101, 5)
    errors = []
    for chunks, warm_up in (((5, 101), "none"), ((2, 40), "none"), ((3, 70), 400)):
        som = BatchSOM(8, 8, warm_up=warm_up, random_state=1).fit(da.from_array(image, chunks=(*chunks, 5)))
        errors.append(som.history_[0].mean_squared_error)
    assert errors[1] == pytest.approx(errors[0], rel=1e-9)
    assert errors[2] == pytest.approx(errors[0], rel=0.2)


def test_pca_codebook__of_one_band_has_different_units():
    codebook = pca_codebook(Lattice(4, 4), np.array([49.5]), exact_spans(moments(np.arange(100.0)[:, None])))
    assert len(np.unique(codebook)) == 16


@given(samples=st.integers(1, 10**12), units=st.integers(1, 50), seed=st.integers(0, 2**32))
def test_sample_positions__are_in_the_image_repeatable_and_different(samples, units, seed):
    positions = sample_positions(samples, units, seed)
    assert positions.shape == (units,)
    assert (positions >= 0).all()
    assert (positions < samples).all()
    assert np.array_equal(positions, sample_positions(samples, units, seed))
    if samples >= units:
        assert len(set(positions.tolist())) == units


@pytest.mark.parametrize(("units", "bands"), [(1, 1), (64, 10), (400, 512)])
def test_drawn_samples__are_few_enough_to_be_merged(units, bands):
    assert 16 * 8 * bands * drawn_samples(units, bands) <= 64 << 20
