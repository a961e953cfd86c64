import numpy as np
import pytest

from dasksom.report.regions import MARGIN, TILES, covering, tiles


@pytest.mark.parametrize(("height", "width"), [(5000, 9000), (300, 90_000), (40, 50), (3, 2)])
def test_tiles__lie_inside_and_apart(height, width):
    regions = tiles(height, width)
    assert 1 <= len(regions) <= TILES
    seen = np.zeros((height, width), np.uint8)
    for one in regions:
        assert 0 <= one.top < one.bottom <= height
        assert 0 <= one.left < one.right <= width
        seen[one.top : one.bottom, one.left : one.right] += 1
    assert seen.max() == 1


def test_regions__cover_every_pixel_once():
    seen = np.zeros((130, 200), int)
    for one in covering(130, 200, 64):
        seen[one.top : one.bottom, one.left : one.right] += 1
    assert (seen == 1).all()


def test_read__is_the_region_and_its_margin():
    for one in covering(130, 200, 64):
        numbers = np.arange(130 * 200).reshape(130, 200)
        assert np.array_equal(numbers[one.read][one.inner], numbers[one.top : one.bottom, one.left : one.right])
        rows, _ = one.read
        assert rows.start == max(0, one.top - MARGIN)
        assert rows.stop == min(130, one.bottom + MARGIN)
