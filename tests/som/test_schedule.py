from itertools import pairwise

import pytest

from dasksom.errors import InputError
from dasksom.som.schedule import DECAYS, NEVER_ZERO, radii


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("epochs", [2, 3, 20])
def test_every_decay_goes_from_first_to_last_without_rising(decay, epochs):
    sigmas = radii(8, 0.3, epochs, decay)
    assert len(sigmas) == epochs
    assert sigmas[0] == pytest.approx(8)
    assert sigmas[-1] == pytest.approx(8 / 3 if decay == "asymptotic" else 0.3)
    assert all(later < earlier for earlier, later in pairwise(sigmas))


def test_exponential__shrinks_by_one_factor():
    assert radii(8, 1, 4, "exponential") == pytest.approx((8, 4, 2, 1))


def test_linear__shrinks_by_one_amount_and_may_reach_zero():
    assert radii(3, 0, 4, "linear") == pytest.approx((3, 2, 1, 0))


def test_inverse__to_one_is_minisoms():
    assert radii(5, 1, 4, "inverse") == pytest.approx([5 / (1 + t * 4 / 3) for t in range(4)])


def test_asymptotic__never_goes_below_the_last_radius():
    assert radii(3, 2, 5, "asymptotic")[-1] == 2


@pytest.mark.parametrize("decay", NEVER_ZERO)
def test_some_decays_cannot_reach_zero(decay):
    with pytest.raises(InputError, match="linear"):
        radii(3, 0, 4, decay)


def test_a_function_gives_the_radii():
    assert radii(4, 1, 3, lambda first, last, progress: first if progress < 1 else last) == (4, 4, 1)


@pytest.mark.parametrize("value", [float("nan"), -0.1, float("inf")])
def test_a_function_that_gives_no_radius_is_refused(value):
    with pytest.raises(InputError, match="epoch 2"):
        radii(4, 1, 3, lambda first, last, progress: 1.0 if progress == 0 else value)


def test_one_epoch_has_the_first_radius():
    assert radii(5, 1, 1, "linear") == (5,)
