import numpy as np
import pytest

from dasksom import BatchSOM
from dasksom.errors import InputError
from dasksom.show import Recorder, plot_training, plot_trajectory
from dasksom.som.quality import Epoch


def test_training__shows_errors_and_radii(trained):
    som = trained(epochs=7)
    above, below = plot_training(som).axes
    assert above.lines[0].get_xdata().tolist() == list(range(1, 8))
    assert np.allclose(above.lines[0].get_ydata(), [900 / n for n in range(1, 8)])
    assert np.allclose(below.lines[0].get_ydata(), [4 / n for n in range(1, 8)])
    assert above.get_yscale() == "linear"
    assert below.get_ylim()[0] == 0


def test_training__of_errors_far_apart_is_logarithmic(trained):
    assert plot_training(trained(epochs=30)).axes[0].get_yscale() == "log"


def test_training__needs_a_history(trained):
    with pytest.raises(InputError, match="history_"):
        plot_training(trained(epochs=0))


@pytest.fixture
def recorded(patch):
    recorder = Recorder()
    som = BatchSOM(3, 4, epochs=6, sigma=(2, 0.5)).fit(patch, on_epoch=recorder)
    return recorder, som


def test_recorder__keeps_every_epoch(recorded):
    recorder, som = recorded
    assert recorder.epochs == [1, 2, 3, 4, 5, 6]
    assert np.array_equal(recorder.codebooks[-1], som.codebook_.units)
    assert not np.array_equal(recorder.codebooks[0], recorder.codebooks[1])


def test_recorder__may_keep_some_epochs():
    recorder = Recorder(every=3)
    for number in range(1, 9):
        recorder(Epoch(number, 1.0, 1.0, 1.0, 1.0, 0.5, 0), np.zeros((2, 3)))
    assert recorder.epochs == [1, 4, 7]
    with pytest.raises(InputError, match="at least 1"):
        Recorder(every=0)


def test_trajectory__is_a_line_per_unit_from_first_to_last(recorded):
    recorder, som = recorded
    ax = plot_trajectory(recorder, bands=(0, 2)).axes[0]
    assert len(ax.lines) == 12
    for unit, line in enumerate(ax.lines):
        way = np.stack([codebook[unit, [0, 2]] for codebook in recorder.codebooks])
        assert np.allclose(line.get_xydata(), way)
        assert np.allclose(line.get_color()[:3], som.codebook_.units[unit] / 255)
    first, last = ax.collections
    assert np.allclose(first.get_offsets(), recorder.codebooks[0][:, [0, 2]])
    assert np.allclose(last.get_offsets(), recorder.codebooks[-1][:, [0, 2]])


def test_trajectory__by_default_shows_the_plane_of_most_spread(recorded):
    recorder, _ = recorded
    ax = plot_trajectory(recorder).axes[0]
    ways = np.stack(recorder.codebooks)
    drawn = np.stack([line.get_xydata() for line in ax.lines], axis=1)
    variances = np.linalg.eigvalsh(np.cov((ways - ways.mean(axis=(0, 1))).reshape(-1, 3).T, bias=True))[::-1]
    assert np.allclose(drawn.reshape(-1, 2).var(axis=0), variances[:2])
    assert f"({variances[0] / variances.sum():.0%} of the variance)" in ax.get_xlabel()


def test_trajectory__leaves_out_epochs_with_more_units(patch):
    recorder = Recorder()
    BatchSOM(3, 3, epochs=4, refine=12).fit(patch.astype(np.uint16), on_epoch=recorder)  # 8-bit maps of 9 add none
    assert len({len(codebook) for codebook in recorder.codebooks}) > 1
    ax = plot_trajectory(recorder).axes[0]
    assert len(ax.lines) == 9
    assert len(ax.lines[0].get_xdata()) == sum(len(codebook) == 9 for codebook in recorder.codebooks)


def test_trajectory__of_one_band_goes_by_epoch():
    recorder = Recorder()
    for number in range(1, 4):
        recorder(Epoch(number, 1.0, 1.0, 1.0, 1.0, 0.5, 0), np.array([[number], [10.0 * number]]))
    ax = plot_trajectory(recorder).axes[0]
    assert ax.lines[1].get_xydata().tolist() == [[1, 10], [2, 20], [3, 30]]


def test_trajectory__needs_a_codebook_and_two_bands_that_exist(recorded):
    with pytest.raises(InputError, match="on_epoch"):
        plot_trajectory(Recorder())
    with pytest.raises(InputError, match="two of 0 to 2"):
        plot_trajectory(recorded[0], bands=(0, 3))
