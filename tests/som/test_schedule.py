from itertools import pairwise

import pytest

from dasksom.errors import InputError
from dasksom.som.schedule import DECAYS, radii


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("epochs", [2, 3, 20])
def test_every_decay_goes_from_first_to_last_without_rising(decay, epochs):
    sigmas = radii(8, 0.3, epochs, decay)
    assert len(sigmas) == epochs
    assert sigmas[0] == pytest.approx(8)
    assert sigmas[-1] == pytest.approx(0.3)
    assert all(later < earlier for earlier, later in pairwise(sigmas))


def test_exponential__shrinks_by_one_factor():
    assert radii(8, 1, 4, "exponential") == pytest.approx((8, 4, 2, 1))


def test_linear__shrinks_by_one_amount_and_may_reach_zero():
    assert radii(3, 0, 4, "linear") == pytest.approx((3, 2, 1, 0))


def test_exponential__cannot_reach_zero():
    with pytest.raises(InputError, match="linear"):
        radii(3, 0, 4, "exponential")


def test_one_epoch_has_the_first_radius():
    assert radii(5, 1, 1, "linear") == (5,)
