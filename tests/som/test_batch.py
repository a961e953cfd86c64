import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dasksom.som.batch import update, weigh
from dasksom.som.bmu.nearest import nearest_units
from dasksom.som.lattice import Lattice
from dasksom.som.neighborhood import Neighborhood
from dasksom.som.samples import Samples
from dasksom.som.unit_sums import add_up, gather
from tests import reference


def sums(samples, codebook, near):
    best = nearest_units(samples, codebook, precision="float64")
    return weigh(gather(Samples(samples, None, None), codebook, best), codebook, near)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    bands=st.integers(1, 5),
    sigma=st.sampled_from([0.0, 0.1, 0.3, 1.0, 4.0]),
)
def test_an_epoch_equals_the_reference(seed, rows, columns, bands, sigma):
    draw = np.random.default_rng(seed)
    samples = draw.normal(0, 10, (40, bands))
    codebook = draw.normal(0, 10, (rows * columns, bands))
    near = Neighborhood(Lattice(rows, columns), "gaussian", sigma)
    got = update(codebook, sums(samples, codebook, near))
    expected = reference.batch_epoch(samples.tolist(), codebook.tolist(), Lattice(rows, columns), sigma)
    assert np.allclose(got, expected, rtol=1e-9, atol=1e-9)


def test_shares_of_chunks_add_up_to_the_whole():
    draw = np.random.default_rng(0)
    samples, codebook = draw.random((500, 3)), draw.random((6, 3))
    near = Neighborhood(Lattice(2, 3), "gaussian", 0.8)
    whole = sums(samples, codebook, near)
    parts = add_up([sums(part, codebook, near) for part in np.array_split(samples, 7)])
    assert np.allclose(parts.numerator, whole.numerator, rtol=1e-13)
    assert np.allclose(parts.denominator, whole.denominator, rtol=1e-13)
    assert parts.quality.hits.tolist() == whole.quality.hits.tolist()
    assert parts.quality.squared_error == pytest.approx(whole.quality.squared_error, rel=1e-13)
    assert parts.distortion == pytest.approx(whole.distortion, rel=1e-12)


def test_sigma_zero_is_a_step_of_k_means():
    samples = np.array([[0.0], [1.0], [10.0], [14.0]])
    near = Neighborhood(Lattice(1, 2), "gaussian", 0)
    assert update(np.array([[2.0], [9.0]]), sums(samples, np.array([[2.0], [9.0]]), near)).tolist() == [
        [0.5],
        [12.0],
    ]


def test_a_unit_that_nobody_chose_keeps_its_vector():
    codebook = np.array([[0.0], [1e6]])
    near = Neighborhood(Lattice(1, 2), "gaussian", 0.05)
    assert update(codebook, sums(np.array([[3.0], [5.0]]), codebook, near)).tolist() == [[4.0], [1e6]]


@pytest.mark.parametrize("missing", [False, True])
def test_wide_codebooks_are_weighed_in_blocks_of_bands(monkeypatch, missing):
    draw = np.random.default_rng(0)
    samples, codebook = draw.random((50, 7)), draw.random((6, 7))
    if missing:
        samples[draw.random((50, 7)) < 0.2] = np.nan
    near, best = Neighborhood(Lattice(2, 3), "gaussian", 0.8), draw.integers(6, size=50).astype(np.uint8)
    gathered = gather(Samples(samples, None, None), codebook, best, missing=missing)
    whole = weigh(gathered, codebook, near)
    monkeypatch.setattr("dasksom.som.unit_sums._BANDS", 3)
    blocks = weigh(gathered, codebook, near)
    assert np.array_equal(blocks.numerator, whole.numerator)
    assert np.array_equal(blocks.denominator, whole.denominator)
    assert np.array_equal(blocks.quality.counts, whole.quality.counts)
    assert np.array_equal(blocks.quality.offsets, whole.quality.offsets)
    assert blocks.quality.squared_offset == pytest.approx(whole.quality.squared_offset, rel=1e-13)
    assert blocks.distortion == pytest.approx(whole.distortion, rel=1e-13)
