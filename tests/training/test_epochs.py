import dask.array as da
import numpy as np
import pytest

from dasksom.som.bmu.search import Search
from dasksom.som.lattice import Lattice
from dasksom.som.refinement import refinement_steps
from dasksom.som.schedule import Step
from dasksom.training.color_histogram import count_image
from dasksom.training.epochs import Training, train_epochs
from dasksom.training.streaming import Stream
from dasksom.training.trained_map import MapState
from tests import reference

SIGMAS = (1.5, 0.7, 0.3, 0.0)
STEPS = [Step(sigma) for sigma in SIGMAS]
HOW = Training(Lattice(2, 3))


def trained(codebook, samples, how=HOW):
    return train_epochs(MapState(codebook, codebook), STEPS, samples, how).codebook


@pytest.fixture
def start():
    return np.random.default_rng(5).uniform(0, 255, (6, 3))


def test_train__both_ways_equal_the_reference(patch, start):
    small = np.ascontiguousarray(patch[:20, :20])
    expected = reference.train(small.reshape(-1, 3).tolist(), start.tolist(), Lattice(2, 3), SIGMAS)
    image = da.from_array(small, chunks=(7, 8, 3))
    counted = trained(start, count_image(image))
    streamed = trained(start, Stream(image, search=Search(precision="float64")))
    assert np.allclose(counted, expected, rtol=1e-11)
    assert np.allclose(streamed, expected, rtol=1e-11)


@pytest.mark.parametrize(("dtype", "bands"), [("f4", 4), ("f8", 2), ("u2", 3), ("i2", 7), ("f2", 1), (">f4", 5)])
def test_train__streams_every_real_type(dtype, bands):
    image = np.random.default_rng(0).uniform(0, 100, (12, 15, bands)).astype(dtype)
    codebook = np.random.default_rng(1).uniform(0, 100, (4, bands))
    expected = reference.train(
        image.reshape(-1, bands).astype(float).tolist(), codebook.tolist(), Lattice(2, 2), SIGMAS
    )
    stream = Stream(da.from_array(image, chunks=(5, 5, bands)), search=Search(precision="float64"))
    got = trained(codebook, stream, Training(Lattice(2, 2)))
    assert np.allclose(got, expected, rtol=1e-10)


def test_train__history_tells_what_was_seen(patch, start):
    table = count_image(da.from_array(patch))
    seen = []
    state = MapState(start, start)
    history = train_epochs(state, STEPS, table, HOW, on_epoch=lambda epoch, _: seen.append(epoch)).history
    assert tuple(seen) == history
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4]
    assert [epoch.sigma for epoch in history] == list(SIGMAS)
    assert history[0].mean_squared_error == pytest.approx(table.quality(start, Lattice(2, 3)).mean_squared_error)
    assert history[-1].mean_squared_error < history[0].mean_squared_error


def test_train__bits_do_not_depend_on_the_scheduler(patch, start, client):
    image = da.from_array(patch.astype(np.float32) / 7, chunks=(5, 7, 3))
    on_cluster = trained(start, Stream(image, search=Search(precision="float64")))
    import dask

    for options in ({"scheduler": "sync"}, {"scheduler": "threads", "num_workers": 4}):
        with dask.config.set(**options):
            here = trained(start, Stream(image, search=Search(precision="float64")))
        assert here.tobytes() == on_cluster.tobytes()


def test_train__goes_on_from_any_state_with_the_same_bits(patch, start):
    table, states = count_image(da.from_array(patch)), []
    steps = (*STEPS, *refinement_steps(6, 18))
    whole = train_epochs(MapState(start, start), steps, table, HOW, on_state=states.append)
    assert len(states) == len(steps) == 22
    assert any(len(state.codebook) > 6 for state in states)
    for state in states:
        again = train_epochs(state, steps, table, HOW)
        assert again.codebook.tobytes() == whole.codebook.tobytes()
        assert again.history == whole.history
