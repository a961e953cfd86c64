import numpy as np
import pytest

from dasksom.som.dithering import bayer_thresholds, color_spacing, dither_offsets, dithered


def test_thresholds__are_64_different_ones_around_zero():
    thresholds = bayer_thresholds()
    assert thresholds.shape == (8, 8)
    assert np.array_equal(np.sort(thresholds, axis=None), (np.arange(64) + 0.5) / 64 - 0.5)
    for y, x in ((0, 0), (4, 0), (1, 2), (4, 3)):
        assert np.ptp(thresholds[y : y + 4, x : x + 4]) > 0.9  # any square is spread over the whole range


def test_spacing__is_the_mean_distance_to_the_nearest_other_color():
    codebook = np.array([[0.0, 0, 0], [3, 4, 0], [0, 0, 0], [3, 4, 7]])
    assert color_spacing(codebook) == pytest.approx((5 + 5 + 7) / 3)
    assert color_spacing(codebook[:1]) == 0


def test_offsets__reach_half_the_way_to_the_next_color():
    codebook = np.array([[0.0, 0, 0], [100, 100, 100]])
    offsets = dither_offsets(codebook, np.dtype("f4"))
    assert np.abs(offsets).max() == pytest.approx(50, rel=0.02)
    assert dither_offsets(codebook, np.dtype("u1")).dtype == np.int64


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "f4"])
def test_dithered__by_place_and_inside_the_type(dtype):
    random = np.random.default_rng(0)
    block = (random.random((40, 50, 3)) * 255).astype(dtype)
    block[0, 0] = 0
    offsets = dither_offsets(random.random((5, 3)) * 255, np.dtype(dtype))
    whole = dithered(block, (0, 0, 0), offsets)
    tiled = np.tile(offsets, (5, 7))[:40, :50, None]
    expected = block.astype(np.float64) + tiled
    if dtype[0] != "f":
        expected = np.clip(expected, np.iinfo(dtype).min, np.iinfo(dtype).max)
    np.testing.assert_allclose(whole, expected, rtol=1e-5, atol=1e-4)
    assert np.array_equal(dithered(block[13:, 21:], (13, 21, 0), offsets), whole[13:, 21:])


def test_dithered__leaves_nan_alone():
    assert np.isnan(dithered(np.full((1, 1, 3), np.nan), (3, 3, 0), np.ones((8, 8)))).all()
