import numpy as np
import pytest
from skimage.color import rgb2lab

from dasksom.som import color_spaces
from dasksom.som.choices import COLOR_SPACES
from dasksom.som.color_spaces import from_space, oklab_of_rgb, scale_of, to_space

SPACES = [name for name, space in COLOR_SPACES.items() if space is not None and space.bands == 3]


@pytest.mark.parametrize("space", SPACES)
def test_every_space_is_undone_inside_and_outside_the_gamut(space):
    rgb = np.random.default_rng(0).uniform(-0.5, 1.5, (2000, 3))
    assert np.allclose(from_space(to_space(rgb, space, 1.0), space, 1.0), rgb, atol=1e-6)


@pytest.mark.parametrize("space", SPACES)
def test_every_space_has_black_at_the_origin_and_grays_on_its_axis(space):
    assert np.allclose(to_space(np.zeros((1, 3)), space, 1.0), 0, atol=1e-4)
    grays = to_space(np.linspace(0, 1, 11)[:, None] * np.ones(3), space, 1.0)
    assert np.allclose(grays[:, 1:] / grays[-1, 0], 0, atol=2e-4)
    assert (np.diff(grays[:, 0]) > 0).all()


def test_lab__equals_scikit_images():
    rgb = np.random.default_rng(0).random((500, 3))
    assert np.allclose(to_space(rgb, "lab", 1.0), rgb2lab(rgb), atol=1e-6)


@pytest.mark.parametrize("n", [0, 1, color_spaces._BLOCK, 2 * color_spaces._BLOCK + 1])
def test_to_space__of_any_number_of_colors(n):
    rgb = np.random.default_rng(0).integers(0, 256, (n, 3), np.uint8)
    assert np.allclose(to_space(rgb, "lab", 255), rgb2lab(rgb / 255), atol=1e-6)


def test_oklab__equals_published_values():
    # Ottosson's page: XYZ (0.950, 1, 1.089) is (1, 0, 0); sRGB red from the CSS Color 4 specification's sample code
    assert np.allclose(oklab_of_rgb(np.ones((1, 3))), [[1, 0, 0]], atol=1e-6)
    assert np.allclose(oklab_of_rgb(np.array([[1.0, 0, 0]])), [[0.62796, 0.22486, 0.12585]], atol=1e-4)


def test_rgba__distances_are_those_over_black_and_over_white():
    colors = np.random.default_rng(0).integers(0, 256, (2, 300, 4)).astype(np.uint8)
    colors[:, :20, 3] = 0
    seen = [to_space(part, "rgba", 255.0) for part in colors]
    parts = colors / 255.0
    over = [parts[..., :3] * parts[..., 3:] + ground * (1 - parts[..., 3:]) for ground in (0, 1)]
    expected = np.mean([((first - second) ** 2).sum(axis=-1) for first, second in over], axis=0)
    assert np.allclose(((seen[0] - seen[1]) ** 2).sum(axis=1), expected)
    restored, visible = from_space(seen[0], "rgba", 255.0), colors[0, :, 3] > 0
    assert np.allclose(restored[visible], colors[0, visible])
    assert not restored[~visible].any()


def test_scale_of__full_intensity_of_each_type():
    assert [scale_of(np.dtype(name)) for name in ("u1", "u2", "f4")] == [255, 65535, 1]
    white = np.full((1, 3), 65535, np.uint16)
    assert np.allclose(to_space(white, "lab", scale_of(white.dtype))[0, 0], 100, atol=1e-3)
