import numpy as np
import pytest

from dasksom.errors import InputError
from dasksom.show.colors import Palette, hexadecimal


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (np.array([[0, 5, 9]], np.uint8), 0, 255),
        (np.array([[0.0, 5, 199.5]]), 0, 255),
        (np.array([[0.0, 0.5, 1]]), 0, 1),
        (np.array([[0.0, 100, 2000], [1000, 200, 4000]]), [0, 100, 2000], [1000, 200, 4000]),
        (np.array([[-1.0, 0, 0], [1, 1, np.nan], [1, 2, 3]]), [-1, 0, 0], [1, 2, 3]),
    ],
)
def test_range__is_chosen_by_the_values(values, low, high):
    found = Palette.of(values)
    assert np.array_equal(found.low, np.broadcast_to(low, 3))
    assert np.array_equal(found.high, np.broadcast_to(high, 3))


def test_bands__are_three_of_those_there_are():
    vectors = np.arange(8.0).reshape(2, 4)
    assert Palette.of(vectors, (3, 1, 0)).colors(vectors)[1].tolist() == pytest.approx([7 / 255, 5 / 255, 4 / 255])
    gray = Palette.of(vectors[:, :2]).colors(vectors[:, :2])
    assert (gray[:, 0] == gray[:, 2]).all()
    for bands in ((0, 1, 4), (0, 1), (-1, 0, 0)):
        with pytest.raises(InputError, match="three of 0 to 3"):
            Palette.of(vectors, bands)


def test_colors__are_clipped_and_keep_nan():
    shown = Palette.of(np.array([[0.0, 0.0, 0.0], [1000.0, 1000.0, 0.0]])).colors(np.array([[-5.0, 2000.0, np.nan]]))
    assert shown[0, :2].tolist() == [0, 1]
    assert np.isnan(shown[0, 2])
    assert [hexadecimal(color) for color in np.eye(3)] == ["#ff0000", "#00ff00", "#0000ff"]
