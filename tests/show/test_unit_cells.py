"""Texts and vectors in the cells of a map, checked by what the figures hold."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from dasksom import InputError
from dasksom.minisom import MiniSom
from dasksom.show import plot_codes, plot_texts, plot_u_matrix
from dasksom.som.lattice import Lattice


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_texts__are_in_the_cells_of_their_units(trained, topology):
    som, texts = trained(topology=topology), [f"unit {unit}" if unit % 5 else "" for unit in range(24)]
    figure = plot_u_matrix(som)
    for drawn in (plot_texts(som, texts), plot_texts(som, texts, figure.axes[0], color="white")):
        written = {text.get_text(): text.get_position() for text in drawn.axes[0].texts}
        positions = Lattice(4, 6, topology).positions()
        assert written == {texts[unit]: pytest.approx(tuple(positions[unit])) for unit in range(24) if unit % 5}
    assert drawn is figure


def test_texts__of_minisom_maps_are_upward(random):
    som = MiniSom(3, 2, 4, random_seed=0)
    positions = {text.get_text(): text.get_position() for text in plot_texts(som, list("abcdef")).axes[0].texts}
    assert positions == {"a": (0, 1), "b": (0, 0), "c": (1, 1), "d": (1, 0), "e": (2, 1), "f": (2, 0)}


@pytest.mark.parametrize("bands", [None, [2, 0], [1]])
@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_codes__are_the_vectors_between_the_extremes_of_each_band(trained, topology, bands):
    som = trained(topology=topology)
    som.weights_[..., 1] = 7  # equal in all units
    figure = plot_codes(som, bands=bands, colors=[f"C{unit % 3}" for unit in range(24)])
    *_, drawn = [found for found in figure.axes[0].collections if isinstance(found, LineCollection)]
    assert len(np.unique(drawn.get_colors(), axis=0)) == 3
    lines = np.array(drawn.get_segments())
    away = lines - Lattice(4, 6, topology).positions()[:, np.newaxis]
    values = som.weights_.reshape(24, 3)[:, [0, 1, 2] if bands is None else bands]
    low, high = values.min(axis=0), values.max(axis=0)
    shares = np.where(high > low, (values - low) / np.maximum(high - low, 1), 0.5)
    expected = np.repeat(shares, 2, axis=1) if shares.shape[1] == 1 else shares
    assert np.allclose(away[..., 1], 0.4 - 0.8 * expected)
    assert np.allclose(away[..., 0], np.linspace(-0.4, 0.4, expected.shape[1]))
    figure.draw_without_rendering()


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda som: plot_texts(som, ["a"] * 23), "texts: one for each of the 24 units is needed; got 23"),
        (lambda som: plot_texts(som, "a" * 24), "texts: one for each of the 24 units"),
        (lambda som: plot_codes(som, bands=[3]), r"bands: some of 0 to 2; got \[3\]"),
        (lambda som: plot_codes(som, colors=["red"]), "colors: one for each of the 24 units is needed; got 1"),
    ],
)
def test_unit_cells__refuse(trained, draw, message):
    with pytest.raises(InputError, match=message):
        draw(trained())
