import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasksom.image.writers.planes import halve_mean, halve_nearest
from dasksom.image.writers.pyramid import plan_pyramid

SIDES = st.integers(1, 5000)


@given(SIDES, SIDES, st.integers(1, 9), st.integers(1, 9), st.sampled_from([16, 64]), st.booleans())
def test_plan__every_piece_is_written_once_and_whole(height, width, down, across, tile, halved):
    chunks = min(down * tile, height), min(across * tile, width)
    pyramid = plan_pyramid((height, width), chunks, tile, least=tile // 2 if halved else tile)
    assert pyramid.levels[0].size == (height, width)
    assert max(pyramid.levels[-1].size) <= tile
    for before, level in zip(pyramid.levels, pyramid.levels[1:], strict=False):
        assert level.size == (-(-before.size[0] // 2), -(-before.size[1] // 2))
    assert pyramid.stages[0].first == 0
    assert pyramid.stages[-1].last == len(pyramid.levels) - 1
    for earlier, stage in zip(pyramid.stages, pyramid.stages[1:], strict=False):
        assert stage.first == earlier.last
        assert stage.last > stage.first
    for number, level in enumerate(pyramid.levels):
        assert all(piece % chunk == 0 for piece, chunk in zip(level.piece, level.chunk, strict=True))
        stage = next(one for one in pyramid.stages if one.last >= number)
        steps = number - stage.first
        written = {tuple(side >> steps for side in corner) for corner in pyramid.corners(stage)}
        assert written == {corner for corner, _ in pyramid.pieces(number)}


@pytest.mark.parametrize("levels", [1, 3])
def test_plan__as_many_levels_as_wanted(levels):
    assert len(plan_pyramid((5000, 5000), (512, 512), 64, least=64, levels=levels).levels) == levels


def _mean(planes, present, fill):
    """Halve by hand, in float64."""
    bands, height, width = planes.shape
    out = np.empty((bands, -(-height // 2), -(-width // 2)))
    for y in range(out.shape[1]):
        for x in range(out.shape[2]):
            here = slice(2 * y, 2 * y + 2), slice(2 * x, 2 * x + 2)
            values = planes[:, *here][:, present[here]].astype(float)
            out[:, y, x] = values.mean(axis=1) if values.size else fill
    return out


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8", "f4", "f8"])
@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 9), (1, 1)])
@pytest.mark.parametrize("holes", [False, True])
def test_mean__of_present_pixels(random, dtype, size, holes):
    planes = (random.random((2, *size)) * 200 - (100 if dtype[0] != "u" else 0)).astype(dtype)
    present = random.random(size) < 0.5 if holes else np.ones(size, bool)
    found = halve_mean(planes, present if holes else None, fill=9)
    expected = _mean(planes, present, 9)
    if np.dtype(dtype).kind != "f":
        expected = np.floor(expected + 0.5)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.array_equal(found, halve_mean(planes, present, fill=9))


def test_mean__of_large_values_does_not_overflow():
    for dtype in ("u1", "u2", "u4", "i4", "u8", "i8"):
        highest = np.iinfo(dtype).max // 2
        assert (halve_mean(np.full((1, 4, 4), highest, dtype)) >= highest * 0.999).all()
    assert (halve_mean(np.full((1, 3, 3), 255, "u1")) == 255).all()


def test_mean__gives_way_to_the_value_for_no_data():
    planes = np.array([[[3, 5, 4, 4]]], np.uint8)
    present = np.array([[True, True, False, False]])
    assert halve_mean(planes, present, fill=4, avoid=True).tolist() == [[[5, 4]]]
    for dtype in ("f2", "f4", "f8"):
        found = halve_mean(planes.astype(dtype), present, fill=4, avoid=True)
        assert found.dtype == dtype
        assert found.tolist() == [[[np.nextafter(np.dtype(dtype).type(4), np.dtype(dtype).type(np.inf)), 4]]]
        signed = np.array([[[-1, 1, 0, 0]]], dtype)
        mean, absent = halve_mean(signed, present, fill=0, avoid=True)[0, 0]
        assert 0 < mean < 1e-4
        assert absent == 0
        assert np.isnan(halve_mean(signed, present, fill=np.nan, avoid=True)[0, 0]).tolist() == [False, True]
    assert halve_mean(planes, present, fill=4).tolist() == [[[4, 4]]]
    top = np.full((1, 1, 2), 255, np.uint8)
    assert halve_mean(top, np.ones((1, 2), bool), fill=255, avoid=True).tolist() == [[[254]]]


def test_nearest__keeps_every_second_pixel():
    assert halve_nearest(np.arange(15).reshape(3, 5)).tolist() == [[0, 2, 4], [10, 12, 14]]


def test_halve_mean__of_half_floats():
    planes = np.array([[[1, 2, 9], [3, np.nan, 9]]], np.float16)
    found = halve_mean(planes, ~np.isnan(planes[0]), fill=np.nan)
    assert found.dtype == np.float16
    assert found.tolist() == [[[2, 9]]]
