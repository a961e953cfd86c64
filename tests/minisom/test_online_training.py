"""The kernels of the online map against the definitions, written out one sample and one unit at a time."""

import numpy as np
import pytest

from dasksom.minisom.activation import from_bands, to_bands
from dasksom.minisom.decays import LEARNING_RATE_DECAYS, SIGMA_DECAYS
from dasksom.minisom.neighborhood import ONLINE_NEIGHBORHOODS, OnlineNeighborhood
from dasksom.minisom.online_training import Pace, add_samples, distortion, learn, spread
from tests.reference import online_shares as shares


@pytest.mark.parametrize("decay", [*LEARNING_RATE_DECAYS.values(), *SIGMA_DECAYS.values()])
def test_decay__starts_at_its_value_and_takes_many_steps_at_once(decay):
    together = decay(3.0, np.arange(10), 10)
    assert together[0] == pytest.approx(3.0)
    assert (np.diff(together) < 0).all()
    assert together.tolist() == [decay(3.0, t, 10) for t in range(10)]


@pytest.mark.parametrize("kind", ONLINE_NEIGHBORHOODS)
@pytest.mark.parametrize("hexagonal", [False, True])
@pytest.mark.parametrize("shape", [(3, 4), (9, 8), (2, 70)])
def test_learn__is_the_update_rule_one_sample_and_one_unit_at_a_time(kind, hexagonal, shape):
    draw = np.random.default_rng(2)
    neighborhood = OnlineNeighborhood(kind, *shape, hexagonal)
    samples, codebook = draw.random((30, 5)), draw.random((shape[0] * shape[1], 5))
    forced, rates, sigmas = np.full(30, -1), np.linspace(0.3, 0.1, 10), np.linspace(2.5, 0.4, 10)
    forced[7] = 3
    by_band = to_bands(codebook)
    learn(by_band, samples, forced, Pace(np.arange(30) // 3, rates, sigmas), neighborhood, "euclidean")
    for t, x in enumerate(samples):
        winner = np.linalg.norm(x - codebook, axis=1).argmin() if forced[t] < 0 else forced[t]
        pull = rates[t // 3] * np.array(shares(neighborhood, divmod(int(winner), shape[1]), sigmas[t // 3]))
        codebook += pull.ravel()[:, None] * (x - codebook)
    assert np.allclose(from_bands(by_band, len(codebook)), codebook, rtol=1e-10)


@pytest.mark.parametrize("kind", ONLINE_NEIGHBORHOODS)
@pytest.mark.parametrize("hexagonal", [False, True])
def test_spread__weights_units_as_it_would_their_samples(kind, hexagonal):
    draw = np.random.default_rng(3)
    neighborhood = OnlineNeighborhood(kind, 9, 8, hexagonal)
    samples, winners = draw.random((40, 3)), draw.integers(0, 72, 40)
    hits, sums = np.zeros(72), np.zeros((72, 3))
    add_samples(samples, winners, hits, sums)
    numerator, denominator = spread(hits, sums, neighborhood, 2.5)
    weights = np.array([np.ravel(shares(neighborhood, divmod(int(winner), 8), 2.5)) for winner in winners])
    assert np.allclose(denominator, weights.sum(axis=0))
    assert np.allclose(numerator, weights.T @ samples)


@pytest.mark.parametrize("kind", ONLINE_NEIGHBORHOODS)
def test_distortion__is_a_sum_over_samples_and_units(kind):
    draw = np.random.default_rng(4)
    neighborhood = OnlineNeighborhood(kind, 3, 4)
    samples, winners, codebook = draw.random((10, 2)), draw.integers(0, 12, 10), draw.random((12, 2))
    expected = sum(
        (np.ravel(shares(neighborhood, divmod(int(winner), 4), 2)) * np.linalg.norm(x - codebook, axis=1)).sum()
        for x, winner in zip(samples, winners, strict=True)
    )
    assert np.isclose(distortion(samples, winners, codebook, neighborhood, 2), expected)
