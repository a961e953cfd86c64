"""Classes on the map: pies and outlines, checked by what the figures hold."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PatchCollection

from dasksom import InputError
from dasksom.minisom import MiniSom
from dasksom.show import plot_hits, plot_outlines, plot_pies


def slices(figure):
    """Give the angles of each class's slices by center, rounded."""
    drawn = [found for found in figure.axes[0].collections if isinstance(found, PatchCollection)]
    return [len(collection.get_paths()) for collection in drawn]


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_pies__have_a_slice_for_each_class_of_a_unit(trained, random, topology):
    counts = random.integers(0, 3, (24, 4)) * [1, 1, 1, 0]
    figure = plot_pies(trained(topology=topology), counts, names="abcd", colors=["red", "#00ff00", "blue", "black"])
    assert slices(figure) == (counts > 0).sum(axis=0).tolist()
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == list("abcd")
    figure.draw_without_rendering()


def sides(figure):
    [lines] = [found for found in figure.axes[0].collections if isinstance(found, LineCollection)]
    return {tuple(sorted(map(tuple, np.round(line, 3).tolist()))) for line in lines.get_segments()}


@pytest.mark.parametrize("toroidal", [False, True])
def test_outlines__separate_classes(trained, toroidal):
    som = trained(toroidal=toroidal)
    numbers = np.zeros((4, 6), int)
    numbers[:2, :3] = 1
    expected = {((2.5, y - 0.5), (2.5, y + 0.5)) for y in (0, 1)} | {((x - 0.5, 1.5), (x + 0.5, 1.5)) for x in range(3)}
    assert sides(plot_outlines(som, numbers.ravel())) == expected
    figure = plot_hits(som)
    assert plot_outlines(som, numbers.ravel(), figure.axes[0]) is figure


def test_outlines__of_hexagons_are_their_sides(trained):
    som = trained(topology="hexagonal")
    numbers = np.zeros(24, int)
    numbers[8] = 1  # row 1, column 2: six neighbors
    figure = plot_outlines(som, numbers)
    corners = figure.axes[0].collections[0].get_paths()[8].vertices[:6].round(3)
    assert {corner for side in sides(figure) for corner in side} == {tuple(corner) for corner in corners.tolist()}
    assert len(sides(figure)) == 6


def test_outlines__of_minisom_maps(random):
    som = MiniSom(3, 2, 4, random_seed=0)
    numbers = np.array([1, 0, 0, 0, 0, 0])  # x = 0, y = 0, which is drawn at the bottom left
    assert sides(plot_outlines(som, numbers)) == {((-0.5, 0.5), (0.5, 0.5)), ((0.5, 0.5), (0.5, 1.5))}


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda som: plot_pies(som, np.ones((23, 2))), r"counts: of shape \(24, classes\)"),
        (lambda som: plot_pies(som, np.ones((24, 2)), names=["a"]), "names: one for each of the 2 classes"),
        (lambda som: plot_outlines(som, np.ones((4, 6))), "classes: one for each of the 24 units"),
    ],
)
def test_class_maps__refuse(trained, draw, message):
    with pytest.raises(InputError, match=message):
        draw(trained())
