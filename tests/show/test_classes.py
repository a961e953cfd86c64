from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from dasksom import InputError, show

TABLE = {
    "class": [1, 2, 3],
    "name": ["water", "forest", "bare soil"],
    "mean_red": [10.0, 20.0, 60.0],
    "sd_red": [1.0, 2.0, 3.0],
    "mean_nir": [5.0, 90.0, 70.0],
    "sd_nir": [1.0, 9.0, 4.0],
}


@pytest.mark.parametrize("form", [dict, pd.DataFrame])
def test_heatmap__compares_classes_band_by_band(form):
    axes = show.plot_heatmap(form(TABLE)).axes[0]
    means = np.array([TABLE["mean_red"], TABLE["mean_nir"]]).T
    assert np.allclose(axes.images[0].get_array(), (means - means.mean(axis=0)) / means.std(axis=0))
    assert [label.get_text() for label in axes.get_yticklabels()] == TABLE["name"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["red", "nir"]
    assert [text.get_text() for text in axes.texts] == ["10", "5", "20", "90", "60", "70"]


def test_signatures__are_the_means_with_deviations():
    colors = ["#0000ff", "#00aa00", "#aa5500"]
    axes = show.plot_signatures(TABLE, colors=colors).axes[0]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[10, 5], [20, 90], [60, 70]]
    assert [line.get_color() for line in axes.lines] == colors
    lowest = [area.get_paths()[0].vertices[:, 1].min() for area in axes.collections]
    assert lowest == [4, 18, 57]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == TABLE["name"]


@pytest.mark.parametrize(("count", "legend"), [(2, 1), (40, 3), (120, 0)])
def test_figures_of_many_classes__hold_their_labels(count, legend):
    bands = {f"{kind}_band {band}": np.arange(count) + 1.0 for kind in ("mean", "sd") for band in range(3)}
    table = {"name": [f"class {number}" for number in range(count)], **bands}
    signatures, heatmap = show.plot_signatures(table), show.plot_heatmap(table)
    found = signatures.axes[0].get_legend()
    assert (0 if found is None else found._ncols) == legend
    for figure in (signatures, heatmap):
        figure.draw_without_rendering()
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01
        assert height < 40
    labels = [label.get_window_extent() for label in heatmap.axes[0].get_yticklabels()]
    assert all(second.y1 <= first.y0 + 1 for first, second in pairwise(labels))


def test_figures_of_classes__refuse_other_tables():
    with pytest.raises(InputError, match="a table with the columns name, mean_BAND is drawn; got class"):
        show.plot_heatmap({"class": [1]})
    means = {name: TABLE[name] for name in TABLE if not name.startswith("sd_")}
    assert show.plot_heatmap(means).axes
    with pytest.raises(InputError, match="columns name, mean_BAND and sd_BAND is drawn; got"):
        show.plot_signatures(means)
    with pytest.raises(InputError, match="colors: one for each of the 3 classes is needed; got 1"):
        show.plot_signatures(TABLE, colors=["#000000"])
