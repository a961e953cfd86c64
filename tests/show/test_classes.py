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


def test_figures_of_classes__refuse_other_tables():
    with pytest.raises(InputError, match="a table with the columns name, mean_BAND is drawn; got class"):
        show.plot_heatmap({"class": [1]})
    means = {name: TABLE[name] for name in TABLE if not name.startswith("sd_")}
    assert show.plot_heatmap(means).axes
    with pytest.raises(InputError, match="columns name, mean_BAND and sd_BAND is drawn; got"):
        show.plot_signatures(means)
    with pytest.raises(InputError, match="colors: one for each of the 3 classes is needed; got 1"):
        show.plot_signatures(TABLE, colors=["#000000"])
