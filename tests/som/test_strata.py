"""Calibrated weights against the totals of all pixels, by NumPy."""

import numpy as np
import pytest

from dasksom.som.bmu.nearest import nearest_units
from dasksom.som.statistics.strata import strata_of


@pytest.mark.parametrize("dtype", ["f4", "f8", "u2"])
@pytest.mark.parametrize("weighted", [False, True])
def test_calibrated__weights_give_the_counts_and_means_of_all_pixels_in_each_stratum(dtype, weighted):
    draw = np.random.default_rng(1)
    pixels = (draw.random((4, 3))[draw.integers(0, 4, 40_000)] + draw.normal(0, 0.1, (40_000, 3))) * 1000
    pixels = pixels.clip(0).astype(dtype)
    amounts = draw.integers(1, 4, len(pixels)).astype(float) if weighted else np.ones(len(pixels))
    pilot = pixels[:2000].astype(float)
    strata = strata_of(pilot, 6, lambda centers: nearest_units(pilot, centers))
    labels, totals = nearest_units(pixels, strata.centers), strata.no_totals()
    for part in (slice(0, 7), slice(7, 30_000), slice(30_000, None)):
        strata.add(pixels[part], labels[part], amounts[part] if weighted else None, totals)
    at_once = strata.no_totals()
    strata.add(pixels, labels, amounts, at_once)
    assert np.array_equal(totals, at_once)  # to the bit: the totals do not depend on the chunks
    drawn = draw.random(len(pixels)) < 0.1
    weights = strata.calibrated(pixels[drawn], labels[drawn], amounts[drawn] / 0.1, totals)
    assert (weights > 0).all()
    for stratum in range(6):
        every, chosen = labels == stratum, labels[drawn] == stratum
        assert weights[chosen].sum() == pytest.approx(amounts[every].sum(), rel=1e-9)
        mean = np.average(pixels[every], axis=0, weights=amounts[every])
        found = np.average(pixels[drawn][chosen], axis=0, weights=weights[chosen])
        assert found == pytest.approx(mean, abs=1.0)  # a hundredth of the spread; by chance it is a tenth


def test_calibrated__too_few_samples_and_missing_bands():
    draw = np.random.default_rng(2)
    pixels = draw.normal(0, 1, (5000, 2))
    pixels[::5, 1] = np.nan
    strata = strata_of(pixels[:500], 2, lambda centers: np.zeros(500, np.uint8))
    totals, labels = strata.no_totals(), np.zeros(5000, np.uint8)
    strata.add(pixels, labels, None, totals)
    few = strata.calibrated(pixels[:40], labels[:40], np.ones(40), totals)
    assert few == pytest.approx(5000 / 40)
    many = strata.calibrated(pixels[:1000], labels[:1000], np.ones(1000), totals)
    assert many.sum() == pytest.approx(5000)
    assert np.nansum(many * pixels[:1000, 1]) == pytest.approx(np.nansum(pixels[:, 1]), abs=5)
