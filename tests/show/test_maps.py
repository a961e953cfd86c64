"""Figures are checked by what they hold: artists, numbers, limits; not by their pixels."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from dasksom import BatchSOM
from dasksom.errors import InputError
from dasksom.minisom import MiniSom
from dasksom.show import plot_component_planes, plot_hits, plot_palette, plot_swatches, plot_u_matrix
from dasksom.som.lattice import Lattice
from dasksom.som.u_matrix import u_matrix


def shown(ax):
    """Give the numbers or colors that axes show of each unit, in row-major order."""
    if ax.images:
        return ax.images[0].get_array()
    [units] = [artist for artist in ax.collections if isinstance(artist, PolyCollection)]
    return units.get_facecolors() if units.get_array() is None else units.get_array()


@pytest.mark.parametrize("toroidal", [False, True])
@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_u_matrix__shows_distances_to_neighbors(trained, topology, toroidal):
    som = trained(topology=topology, toroidal=toroidal)
    figure = plot_u_matrix(som)
    [ax] = figure.axes
    [bar] = ax.child_axes
    expected = u_matrix(som.weights_, Lattice(4, 6, topology, toroidal))
    assert np.allclose(np.reshape(shown(ax), (4, 6)), expected)
    assert bar.get_ylabel() == "mean distance to neighbors"
    assert (bar.get_ylim()[0], bar.get_ylim()[1]) == pytest.approx((expected.min(), expected.max()))
    figure.draw_without_rendering()


def test_u_matrix__of_a_scaled_map_is_that_of_the_scaled_samples(random):
    samples = random.normal(size=(200, 3)) * [1, 100, 1e4]
    scaled = (samples - samples.mean(axis=0)) / samples.std(axis=0)
    som, expected = (BatchSOM(3, 4, epochs=5, scale=scale) for scale in ("standard", "none"))
    expected.fit(scaled)
    assert np.allclose(som.fit(samples).u_matrix(), expected.u_matrix())
    assert np.allclose(np.reshape(shown(plot_u_matrix(som).axes[0]), (3, 4)), expected.u_matrix())


def test_hexagonal__units_are_hexagons_that_touch(trained):
    [units] = plot_u_matrix(trained(topology="hexagonal")).axes[0].collections
    hexagons = [path.vertices[:6] for path in units.get_paths()]
    assert len(hexagons) == 24
    assert np.allclose([np.linalg.norm(h - np.roll(h, 1, axis=0), axis=1) for h in hexagons], 3**-0.5)
    corners = [{tuple(corner) for corner in h.round(6)} for h in hexagons]
    assert len(corners[0] & corners[1]) == 2  # a side
    assert len(corners[0] & corners[6]) == 2  # with the row below, which is shifted to the right
    assert len(corners[1] & corners[6]) == 2
    assert not corners[0] & corners[2]


def test_hexagonal__first_row_is_on_top_and_all_are_inside(trained):
    ax = plot_palette(trained(topology="hexagonal")).axes[0]
    bottom, top = ax.get_ylim()
    left, right = ax.get_xlim()
    assert bottom > top
    corners = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    assert left <= corners[:, 0].min()
    assert corners[:, 0].max() <= right
    assert top <= corners[:, 1].min()
    assert corners[:, 1].max() <= bottom


def test_large_hexagonal__is_no_vector_drawing(trained):
    assert plot_palette(trained(40, 30, topology="hexagonal")).axes[0].collections[0].get_rasterized()
    assert not plot_palette(trained(4, 6, topology="hexagonal")).axes[0].collections[0].get_rasterized()


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
@pytest.mark.parametrize(("bands", "panels"), [(1, 1), (3, 3), (4, 4), (5, 5), (20, 20)])
def test_component_planes__show_each_band(trained, bands, panels, topology):
    som = trained(bands=bands, topology=topology)
    figure = plot_component_planes(som)
    planes = [ax for ax in figure.axes if ax.get_title()]
    assert len(planes) == panels
    for band, ax in enumerate(planes):
        assert np.allclose(np.reshape(shown(ax), (4, 6)), som.weights_[..., band])
    assert planes[0].get_title() == ("red" if bands == 3 else "band 0")


def test_component_planes__of_chosen_bands_by_name(trained):
    som = trained(bands=9)
    figure = plot_component_planes(som, bands=[7, 2], names=["near infrared", "red"])
    planes = [ax for ax in figure.axes if ax.get_title()]
    assert [ax.get_title() for ax in planes] == ["near infrared", "red"]
    assert np.allclose(shown(planes[0]), som.weights_[..., 7])
    with pytest.raises(InputError, match="0 to 8"):
        plot_component_planes(som, bands=[9])
    with pytest.raises(InputError, match="one for each of the 2"):
        plot_component_planes(som, bands=[1, 2], names=["one"])


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_hits__are_shares_and_leave_out_empty_units(trained, topology):
    som = trained(topology=topology)
    [ax] = plot_hits(som).axes
    [bar] = ax.child_axes
    values = np.ma.ravel(shown(ax))
    hits = som.quality_.hits
    assert np.array_equal(np.ma.getmaskarray(values), hits == 0)
    assert np.allclose(values.compressed(), 100 * hits[hits > 0] / hits.sum())
    assert bar.get_ylim()[0] == 0
    assert "1 unit without" in ax.get_title()


def test_hits__unknown_are_an_error(trained):
    som = trained()
    som.quality_ = None
    with pytest.raises(InputError, match="evaluate"):
        plot_hits(som)


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_palette__has_the_colors_of_the_units(trained, topology):
    som = trained(topology=topology)
    colors = np.asarray(shown(plot_palette(som).axes[0])).reshape(24, -1)[:, :3]
    assert np.allclose(colors, som.weights_.reshape(-1, 3) / 255)


@pytest.mark.parametrize(("rows", "labels"), [(4, 24), (20, 0)])
def test_swatches__the_most_frequent_come_first(trained, rows, labels):
    som = trained(rows=rows)
    ax = plot_swatches(som).axes[0]
    order = np.argsort(-som.quality_.hits, kind="stable")
    found = np.asarray(ax.images[0].get_array()).reshape(-1, 4)
    assert np.allclose(found[: len(order), :3], som.weights_.reshape(-1, 3)[order] / 255)
    assert (found[: len(order), 3] == 1).all()
    assert not found[len(order) :].any()
    assert len(ax.texts) == labels
    if labels:
        assert f"{som.quality_.hits.max() / som.quality_.hits.sum():.1%}" in ax.texts[0].get_text()


def test_swatches__without_hits_go_by_lightness(trained):
    som = trained()
    som.quality_ = None
    found = np.asarray(plot_swatches(som).axes[0].images[0].get_array()).reshape(-1, 4)[:24, :3]
    assert (np.diff(found @ [0.2126, 0.7152, 0.0722]) >= 0).all()


@pytest.mark.parametrize("plot", [plot_u_matrix, plot_hits, plot_palette, plot_swatches])
def test_axes__of_the_caller_are_drawn_on(trained, plot):
    mine = Figure()
    ax = mine.subplots(1, 2)[1]
    assert plot(trained(), ax=ax) is mine
    assert ax.get_title()
    assert not mine.axes[0].get_title()


def _overlaps(figure):
    """Return pairs of axes of a figure that overlap, their texts included; color bars are part of their axes."""
    figure.draw_without_rendering()
    boxes = [(ax.get_title(), ax.get_tightbbox()) for ax in figure.axes]
    return [
        (one, other)
        for number, (one, first) in enumerate(boxes)
        for other, second in boxes[:number]
        if min(first.x1, second.x1) - max(first.x0, second.x0) > 1
        and min(first.y1, second.y1) - max(first.y0, second.y0) > 1
    ]


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
@pytest.mark.parametrize("plot", [plot_u_matrix, plot_hits])
def test_axes__of_the_caller_do_not_overlap_their_neighbors(trained, plot, layout):
    mine = Figure(figsize=(13, 4), layout=layout)
    for ax in mine.subplots(1, 3):
        plot(trained(6, 9), ax=ax)
    assert not _overlaps(mine)


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (1, 8), (1, 40), (2, 30), (30, 1)])
def test_lines_of_units__are_drawn_with_all_their_labels(trained, rows, columns, topology):
    som = trained(rows, columns, bands=5, topology=topology)
    for figure in (plot_u_matrix(som), plot_hits(som, hits=np.ones(rows * columns)), plot_component_planes(som)):
        figure.draw_without_rendering()
        room = figure.bbox
        for ax in figure.axes:
            box = ax.get_tightbbox()
            assert room.x0 - 1 <= box.x0 <= box.x1 <= room.x1 + 1, (ax.get_title(), box)
            assert room.y0 - 1 <= box.y0 <= box.y1 <= room.y1 + 1, (ax.get_title(), box)


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_minisom__is_drawn_with_x_to_the_right_and_y_upward(random, topology):
    data = random.normal(size=(300, 4))
    som = MiniSom(5, 3, 4, topology=topology, random_seed=0)
    som.train(data, 100)
    ax = plot_component_planes(som).axes[0]
    drawn = np.reshape(shown(ax), (3, 5))
    assert np.allclose(drawn, som.get_weights()[:, ::-1, 0].T)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    labels = [text.get_text() for text in ax.get_yticklabels()]
    heights = [ax.transData.transform((0, y))[1] for y in ax.get_yticks()]
    assert labels == ["0", "1", "2"]
    assert heights == sorted(heights)
    hits = som.activation_response(data)
    values = np.ma.filled(np.ma.reshape(shown(plot_hits(som, hits=hits).axes[0]), (3, 5)), 0)
    assert np.allclose(values, 100 * hits[:, ::-1].T / 300)


@pytest.mark.parametrize("size", [(4, 3), (5, 4), (3, 5)])
def test_minisom__hexagonal_neighbors_are_those_of_minisom(random, size):
    som = MiniSom(*size, 2, topology="hexagonal", random_seed=0)
    xx, yy = som.get_euclidean_coordinates()
    for unit in np.ndindex(size):
        som.get_weights()[unit] = xx[unit], yy[unit]
    distances = np.asarray(shown(plot_u_matrix(som).axes[0]))
    assert np.allclose(distances, 1)


def test_hits__of_the_caller(trained):
    som = trained()
    som.quality_ = None
    hits = np.arange(24)
    values = np.ma.filled(shown(plot_hits(som, hits=hits).axes[0]), 0)
    assert np.allclose(values.ravel(), 100 * hits / hits.sum())
    with pytest.raises(InputError, match="each of the 24 units is needed; got 3"):
        plot_hits(som, hits=[1, 2, 3])


def test_names_of_bands__are_those_of_the_map(trained):
    som = trained(bands=4)
    som.feature_names_in_ = np.array(["B2", "B3", "B4", "B8"])
    assert [ax.get_title() for ax in plot_component_planes(som).axes] == ["B2", "B3", "B4", "B8"]


def test_no_map__is_refused():
    with pytest.raises(InputError, match="dict is not a trained map"):
        plot_u_matrix({})


@pytest.mark.parametrize(("rows", "columns"), [(1, 40), (6, 9), (8, 8), (60, 3)])
def test_figures__are_as_high_as_their_map(trained, rows, columns):
    width, height = plot_u_matrix(trained(rows, columns)).get_size_inches()
    assert 1.5 <= height <= 2 * width
    if rows == columns:
        assert height == pytest.approx(width, rel=0.2)
    elif rows < columns:
        assert height < width


@pytest.mark.parametrize("scale", [1, 1e5])
def test_figures__cut_no_number_or_label_off(trained, scale):
    som = trained(16, 16)
    som.weights_ = som.weights_ * scale
    figure = plot_u_matrix(som)
    figure.draw_without_rendering()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01


def test_numbers_of_units__are_few_and_right(trained):
    ax = plot_u_matrix(trained(rows=40, columns=17, topology="hexagonal")).axes[0]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0", "4", "8", "12", "16"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0", "8", "16", "24", "32"]
    assert ax.get_yticks()[1] == pytest.approx(8 * 3**0.5 / 2)


def test_without_matplotlib__the_extra_is_named():
    check = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from dasksom import InputError, show\n"
        "from dasksom.minisom import MiniSom\n"
        "try: show.plot_u_matrix(MiniSom(2, 2, 2))\n"
        "except InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60)
    assert "dasksom[plots]" in done.stdout
