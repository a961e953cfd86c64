import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from dasksom.som.bmu.nearest import nearest_units, two_nearest_units
from dasksom.som.quality import quality_of
from dasksom.som.refinement import (
    MOST_ARRANGED,
    add_near_worst,
    arranged_order,
    assigned,
    refinement_steps,
    remove_least_useful,
)
from dasksom.som.samples import Samples
from dasksom.som.unit_sums import gather


def seen(samples, codebook):
    best, second = two_nearest_units(samples, codebook, precision="float64")
    return gather(Samples(samples, None, None), codebook, best, second)


@pytest.mark.parametrize("units", [2, 9, 256])
@pytest.mark.parametrize("epochs", [0, 5, 11, 12, 80, 81])
def test_refinement__adds_and_removes_in_turns_and_ends_at_rest(units, epochs):
    steps = refinement_steps(units, epochs)
    assert len(steps) == epochs
    assert all(step.sigma == 0 for step in steps)
    changes = [step for step in steps if step.added or step.removed]
    assert len(changes) == 2 * (max(epochs - 6, 0) // 4)
    assert all(step.removed == bool(number % 2) for number, step in enumerate(changes))
    added = [step.added for step in changes[::2]]
    assert added == sorted(added, reverse=True)
    assert all(1 <= count <= units for count in added)
    assert not any(step.added or step.removed for step in steps[-6:])


def test_refinement__of_one_unit_moves_nothing():
    assert not any(step.added or step.removed for step in refinement_steps(1, 80))


def test_add_near_worst__near_the_units_with_the_most_error():
    codebook = np.array([[0.0, 0], [100, 0], [200, 0]])
    samples = np.array([[1.0, 0], [110, 0], [90, 0], [200, 0], [230, 0]])
    quality = quality_of(seen(samples, codebook), codebook)
    assert quality.squared_errors.tolist() == [1, 200, 900]
    found = add_near_worst(codebook, quality.squared_errors, quality.hits, 2, seed=3)
    away = np.linalg.norm(found - codebook[[2, 1]], axis=1)
    assert away == pytest.approx(0.3 * np.sqrt([450, 100]))
    assert np.array_equal(found, add_near_worst(codebook, quality.squared_errors, quality.hits, 2, seed=3))
    assert not np.allclose(found, add_near_worst(codebook, quality.squared_errors, quality.hits, 2, seed=4))


def test_add_near_worst__no_more_than_there_are_errors():
    codebook = np.array([[0.0], [10], [20]])
    quality = quality_of(seen(np.array([[0.0], [10], [21]]), codebook), codebook)
    assert len(add_near_worst(codebook, quality.squared_errors, quality.hits, 3, seed=0)) == 1


def test_remove_least_useful__removes_what_costs_least():
    codebook = np.array([[0.0], [50], [100], [101]])
    samples = np.array([[0.0], [50], [100], [101], [99], [102]])
    remaining = remove_least_useful(codebook, seen(samples, codebook).utilities, 3)
    assert sorted(remaining.ravel().tolist()) in ([0, 50, 100], [0, 50, 101])  # not both of two that are as good as one


def test_remove_least_useful__what_was_added_takes_the_free_places():
    codebook = np.array([[0.0], [50], [51], [100], [200]])
    utilities = np.array([9.0, 0, 1, 9, 9])
    assert remove_least_useful(codebook, utilities, 4).ravel().tolist() == [0, 200, 51, 100]


def test_remove_least_useful__as_many_as_there_are_may_be_removed():
    codebook, utilities = np.random.default_rng(0).random((2, 12, 1))
    assert remove_least_useful(codebook, utilities.ravel(), 6).shape == (6, 1)


@pytest.mark.parametrize("n", [1, 2, 7, 60])
@pytest.mark.parametrize("ties", [False, True])
def test_assigned__costs_as_little_as_scipys(n, ties):
    random = np.random.default_rng(n)
    costs = random.integers(0, 4, (n, n)).astype(float) if ties else random.random((n, n))
    columns = assigned(costs)
    assert sorted(columns) == [*range(n)]
    rows, expected = linear_sum_assignment(costs)
    assert costs[rows, columns].sum() == pytest.approx(costs[rows, expected].sum(), rel=1e-12)
    assert ties or np.array_equal(columns, expected)


def test_arrange__undoes_a_shuffle():
    codebook = np.random.default_rng(1).random((40, 3))
    shuffled = codebook[np.random.default_rng(2).permutation(40)]
    assert np.array_equal(shuffled[arranged_order(shuffled, codebook + 1e-3)], codebook)


def test_arrange__leaves_large_maps_as_they_are():
    codebook = np.random.default_rng(1).random((MOST_ARRANGED + 1, 1))
    assert np.array_equal(arranged_order(codebook, codebook[::-1]), range(len(codebook)))


def test_a_breath_gets_out_of_a_local_minimum():
    # four clusters; two units lie in one of them and one unit serves two: k-means stays there
    draw = np.random.default_rng(0)
    centers = np.array([[0.0, 0], [10, 0], [100, 0], [110, 0]])
    samples = (centers[:, None] + draw.normal(0, 0.5, (4, 50, 2))).reshape(-1, 2)
    codebook = np.array([[-0.3, 0], [0.3, 0], [10, 0], [105, 0]])
    for step in refinement_steps(4, 18):
        sums = seen(samples, codebook)
        codebook = sums.sums / sums.counts
        if step.added:
            found = add_near_worst(codebook, sums.squared_errors, sums.hits, step.added, seed=0)
            codebook = np.concatenate([codebook, found])
        if step.removed:
            codebook = remove_least_useful(codebook, sums.utilities, 4)
    assert len(np.unique(nearest_units(centers, codebook))) == 4
