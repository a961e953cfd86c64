import pickle

import dask
import dask.array as da
import numpy as np
import pytest
import xarray
from distributed import Client
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris

import dasksom
from dasksom import BatchSOM, InputError
from dasksom.cluster import count_tasks
from dasksom.som.choices import COLOR_SPACES, METRICS, NEIGHBORHOODS, TOPOLOGIES
from dasksom.som.color_spaces import to_space
from dasksom.som.lattice import Lattice
from dasksom.som.schedule import DECAYS
from tests import reference


def test_fit__equals_the_reference(patch):
    small = np.ascontiguousarray(patch[:16, :16])
    # different pixels: were all nearest to one unit, the first epoch would make all units equal, and ties a matter of
    # rounding
    start = np.unique(small.reshape(-1, 3), axis=0)[::20][:6].reshape(2, 3, 3).astype(float)
    som = BatchSOM(2, 3, epochs=4, sigma=(1.5, 0.2), init=start).fit(small)
    sigmas = [epoch.sigma for epoch in som.history_]
    expected = reference.train(small.reshape(-1, 3).tolist(), start.reshape(-1, 3).tolist(), Lattice(2, 3), sigmas)
    assert np.allclose(som.weights_.reshape(-1, 3), expected, rtol=1e-11)


@pytest.mark.parametrize("init", ["pca", "random"])
def test_fit__counting_colors_gives_what_streaming_all_pixels_gives(photograph, init):
    image = da.from_array(photograph, chunks=(130, 170, 3))
    maps = [
        BatchSOM(6, 5, epochs=8, init=init, method=method, precision="float64", random_state=4).fit(image).weights_
        for method in ("colors", "stream")
    ]
    assert np.allclose(*maps, rtol=1e-11)


def test_fit__counted_colors_give_the_same_bits_for_any_chunks_and_workers(photograph, client):
    bits = set()
    for chunks in ((400, 600, 3), (100, 90, 3), (33, 600, 3)):
        image = da.from_array(photograph, chunks=chunks)
        bits.add(BatchSOM(8, 8, epochs=5).fit(image).weights_.tobytes())
    bits.add(BatchSOM(8, 8, epochs=5).fit(photograph).weights_.tobytes())
    assert len(bits) == 1


def test_fit__streaming_gives_nearly_the_same_for_any_chunks(photograph):
    image = photograph.astype(np.float32) / 255
    maps = [
        BatchSOM(4, 4, epochs=6).fit(da.from_array(image, chunks=chunks)).weights_
        for chunks in ((400, 600, 3), (64, 100, 3))
    ]
    assert np.allclose(*maps, rtol=1e-9)


def test_fit__seeds_matter_and_repeat(photograph):
    def fitted(seed):
        return BatchSOM(3, 3, epochs=1, init="sample", random_state=seed).fit(photograph).weights_

    assert np.array_equal(fitted(1), fitted(1))
    assert not np.array_equal(fitted(1), fitted(2))


def test_fit__each_option_has_an_effect(photograph):
    small = photograph[:100, :100]
    plain = BatchSOM(4, 4, epochs=5).fit(small).weights_
    for options in (
        {"epochs": 6},
        {"sigma": (3, 0.3)},
        {"sigma": (2, 0.5)},
        {"decay": "linear"},
        {"init": "sample"},
        {"init": np.full((4, 4, 3), 100.0) + np.arange(48).reshape(4, 4, 3)},
    ):
        other = BatchSOM(4, 4, **{"epochs": 5, "random_state": 0, **options}).fit(small).weights_
        assert not np.allclose(plain, other), options


def test_fit__a_last_sigma_near_zero_lowers_the_error(photograph):
    errors = [
        BatchSOM(8, 8, epochs=20, sigma=(4, last)).fit(photograph).quality_.mean_squared_error
        for last in (1.0, 0.5, 0.2)
    ]
    assert errors == sorted(errors, reverse=True)


def test_fit__a_table_and_a_single_band():
    rows = np.concatenate([np.full((50, 4), 1.0), np.full((50, 4), 9.0)])
    assert sorted(BatchSOM(1, 2, epochs=10, sigma=(1, 0.1)).fit(rows).weights_[0, :, 0].round(3)) == [1, 9]
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    som = BatchSOM(4, 4, epochs=10).fit(gray)
    assert len(np.unique(som.predict(gray))) == 16


@pytest.mark.parametrize("lazy", [True, False])
def test_predict_and_quantize__lazy_for_lazy(photograph, lazy):
    som = BatchSOM(4, 4, epochs=5).fit(photograph)
    X = da.from_array(photograph, chunks=(150, 170, 3)) if lazy else photograph
    labels, rebuilt = som.predict(X), som.quantize(X)
    assert isinstance(labels, da.Array if lazy else np.ndarray)
    assert isinstance(rebuilt, da.Array if lazy else np.ndarray)
    assert labels.shape == (400, 600)
    assert rebuilt.shape == photograph.shape
    assert labels.dtype == np.int32
    assert rebuilt.dtype == np.uint8
    if lazy:
        assert labels.chunks == X.chunks[:2]
    labels, rebuilt = np.asarray(labels), np.asarray(rebuilt)
    distances = ((photograph[::7, ::7, None].astype(float) - som.weights_.reshape(-1, 3)) ** 2).sum(-1)
    assert np.array_equal(labels[::7, ::7], distances.argmin(-1))
    assert np.array_equal(rebuilt, som.weights_.reshape(-1, 3).round().astype(np.uint8)[labels])


def test_predict__computes_nothing_for_a_lazy_array(photograph):
    def refuse(*_, **__):
        raise AssertionError("computed")

    som = BatchSOM(2, 2, epochs=2).fit(photograph)
    with dask.config.set(scheduler=refuse):
        som.quantize(da.from_array(photograph, chunks=(100, 100, 3)))


def test_predict__through_the_table_gives_the_labels_of_the_search(photograph, monkeypatch):
    from dasksom.quantization import labels as labeling

    som = BatchSOM(16, 16, epochs=3).fit(photograph)
    searched = som.predict(photograph)
    monkeypatch.setattr(labeling, "TABLE_PIXELS", 1)
    assert np.array_equal(som.predict(photograph), searched)


def test_numpy_arrays_stay_off_the_cluster(photograph, client):
    with count_tasks(client) as counts:
        BatchSOM(2, 2, epochs=2).fit(photograph).predict(photograph)
    assert counts.tasks == 0


def test_dask_arrays_run_on_the_current_client(photograph, client: Client):
    image = da.from_array(photograph, chunks=(100, 600, 3))
    with count_tasks(client) as counts:
        BatchSOM(2, 2, epochs=2).fit(image)
    assert counts.tasks > 0


def test_save_and_load__give_the_same_labels(photograph, tmp_path):
    som = BatchSOM(4, 5, epochs=3, sigma=(2, 0.5), random_state=3).fit(photograph)
    som.save(tmp_path / "palette.npz")
    loaded = dasksom.load(tmp_path / "palette.npz")
    assert np.array_equal(loaded.weights_, som.weights_)
    assert np.array_equal(loaded.predict(photograph), som.predict(photograph))
    assert loaded.get_params() == som.get_params()


def test_pickle(photograph):
    som = pickle.loads(pickle.dumps(BatchSOM(2, 2, epochs=2).fit(photograph)))
    assert som.predict(photograph).shape == (400, 600)


def test_parameters__are_kept_as_given_and_checked_by_fit():
    som = BatchSOM(0, "many", epochs=-1)
    assert som.get_params()["columns"] == "many"
    assert som.set_params(rows=3).rows == 3
    with pytest.raises(ValueError, match="Invalid parameter 'row'"):
        som.set_params(row=1)
    assert repr(BatchSOM(2, 3, epochs=4)) == "BatchSOM(columns=3, epochs=4, rows=2)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 0}, "The 'rows' parameter of BatchSOM must be an int of at least 1. Got 0 instead."),
        ({"rows": 2.5}, "'rows'.*Got 2.5"),
        ({"columns": True}, "'columns'.*Got True"),
        ({"rows": 300, "columns": 300}, "90000 units; at most 65536"),
        ({"epochs": 0}, "'epochs'"),
        ({"sigma": (1, 2)}, "first >= last"),
        ({"sigma": (0, 0)}, "first > 0"),
        ({"sigma": (float("nan"), 0.1)}, "finite"),
        ({"sigma": (float("inf"), 0.1)}, "finite"),
        ({"sigma": 3}, "pair"),
        ({"sigma": (1, 2, 3)}, "pair"),
        ({"sigma": ("a", "b")}, "pair"),
        ({"sigma": (2, 0)}, "linear"),
        ({"decay": "cosine"}, "one of 'exponential', 'linear', 'inverse', 'asymptotic'. Got 'cosine'"),
        ({"init": "zeros"}, "one of 'pca', 'sample', 'random'"),
        ({"init": np.zeros((2, 2, 4))}, r"shape \(2, 2, 3\)"),
        ({"init": np.full((2, 2, 3), np.nan)}, "finite"),
        ({"method": "fast"}, "'auto', 'colors', 'stream'"),
        ({"cache": "disk"}, "'auto', 'memory', 'none'"),
        ({"random_state": -1}, "random_state"),
        ({"random_state": 1.5}, "random_state"),
    ],
)
def test_fit__refuses_parameters(patch, options, message):
    with pytest.raises(InputError, match=message):
        BatchSOM(**{"rows": 2, "columns": 2, **options}).fit(patch)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros(5), "no samples and bands"),
        (5.0, "Expected 2D array, got scalar"),
        ([1.0, 2.0], "Expected 2D array, got 1D array"),
        (np.zeros((0, 3)), "no samples"),
        (np.zeros((5, 0)), "no samples"),
        (np.zeros((4, 4, 3), complex), "complex128"),
        (np.zeros((4, 4, 3), bool), "bool"),
        (np.array([["a", "b"]]), "not compatible with arrays of bytes/strings"),
        (np.array([[1, "b"]], object), "could not convert string"),
        (np.full((4, 4, 3), np.nan), "no sample to train on"),
        (np.full((4, 4, 3), np.inf), r"infinity at pixel \(0, 0\), band 0"),
        (
            da.from_array(np.ones((6, 3)), chunks=(2, 3))[da.from_array(np.arange(6), chunks=2) > 2],
            "compute_chunk_sizes",
        ),
    ],
)
def test_fit__refuses_arrays(X, message):
    with pytest.raises(InputError, match=message):
        BatchSOM(2, 2).fit(X)


def test_fit__colors_of_what_has_none(patch):
    with pytest.raises(InputError, match="float64 with 3 bands"):
        BatchSOM(2, 2, method="colors").fit(patch.astype(float))


def test_predict__before_fit_and_with_other_bands(patch):
    with pytest.raises(InputError, match="call fit first"):
        BatchSOM(2, 2).predict(patch)
    with pytest.raises(InputError, match=r"X has 2 features, but BatchSOM is expecting 3 .* bands"):
        BatchSOM(2, 2, epochs=1).fit(patch).predict(patch[..., :2])


def test_bands_in_several_chunks_are_joined(photograph):
    image = da.from_array(photograph, chunks=(200, 600, 1))
    assert np.array_equal(
        BatchSOM(2, 2, epochs=2).fit(image).weights_, BatchSOM(2, 2, epochs=2).fit(photograph).weights_
    )


def test_a_refused_array_leaves_the_scheduler_alone(patch):
    som = BatchSOM(2, 2, epochs=1).fit(patch)
    with dask.config.set(scheduler="sync"):
        for refused in (np.zeros(5), patch[..., :2], np.zeros((3, 3), complex)):
            with pytest.raises(InputError):
                som.predict(refused)
            with pytest.raises(InputError):
                BatchSOM(2, 2, init=np.zeros((2, 2, 9))).fit(refused)
            assert dask.config.get("scheduler") == "sync"


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.uint8])
def test_masked_arrays__samples_without_all_their_bands_do_not_count(lazy, dtype):
    plain = np.arange(30).reshape(10, 3).astype(dtype)
    X = np.ma.masked_greater(plain, 20)
    som = BatchSOM(2, 2, epochs=3).fit(da.from_array(X, chunks=(5, 3)) if lazy else X)
    # in other chunks: equal but for the rounding of sums
    np.testing.assert_allclose(som.weights_, BatchSOM(2, 2, epochs=3).fit(plain[:7]).weights_, rtol=1e-12)
    labels = np.asarray(som.predict(da.from_array(X, chunks=(5, 3)) if lazy else X))
    assert (labels >= 0).tolist() == [True] * 7 + [False] * 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("init", ["pca", "sample", "random"])
def test_mask__what_it_leaves_out_does_not_move_the_map_by_one_bit(patch, dtype, init):
    image, mask = patch.astype(dtype), np.random.default_rng(0).random(patch.shape[:2]) < 0.6
    others = image.copy()
    others[~mask] = 255 - others[~mask]
    options = {"epochs": 4, "init": init, "random_state": 1}
    chunks = (20, 60, 3)
    maps = [BatchSOM(3, 3, **options).fit(da.from_array(one, chunks=chunks), mask=mask) for one in (image, others)]
    assert maps[0].weights_.tobytes() == maps[1].weights_.tobytes()
    labels, rebuilt = maps[0].predict(image, mask=mask), maps[0].quantize(image, mask=mask)
    assert ((labels == -1) == ~mask).all()
    assert np.array_equal(rebuilt[~mask], image[~mask])
    assert not np.array_equal(BatchSOM(3, 3, **options).fit(image).weights_, maps[0].weights_)


def test_nan__samples_with_it_are_left_out_everywhere(patch):
    image = patch.astype(np.float32)
    image[3, 4, 1] = image[10, :, 0] = np.nan
    known = ~np.isnan(image).any(axis=-1)
    som = BatchSOM(3, 3, epochs=4, precision="float64").fit(image)
    masked = BatchSOM(3, 3, epochs=4, precision="float64").fit(np.nan_to_num(image), mask=known)
    assert som.weights_.tobytes() == masked.weights_.tobytes()
    assert ((som.predict(image) == -1) == ~known).all()
    assert np.isnan(som.quantize(image)[3, 4]).tolist() == [False, True, False]
    assert np.isnan(som.transform(image)[3, 4]).all()
    with pytest.raises(InputError, match=r"NaN at pixel \(3, 4\), band 1"):
        BatchSOM(3, 3, missing="error").fit(image)


def test_missing_bands__are_filled_from_the_unit():
    draw = np.random.default_rng(0)
    X = np.repeat([[0.0, 0, 0], [9, 9, 9]], 50, axis=0) + draw.normal(0, 0.1, (100, 3))
    X[::7, 1] = np.nan
    som = BatchSOM(1, 2, epochs=6, sigma=(1, 0.1), missing="bands").fit(X)
    assert np.allclose(som.weights_, [[[0] * 3, [9] * 3]], atol=0.1)
    assert som.predict(X).tolist() == [0] * 50 + [1] * 50
    filled = som.quantize(X)
    assert np.isfinite(filled).all()
    assert filled[0, 1] == pytest.approx(np.nanmean(X[:50, 1]))


def test_sample_weight__counts_as_repetition():
    draw = np.random.default_rng(3)
    X, times = draw.random((60, 4)), draw.integers(0, 4, 60)
    options = {"epochs": 5, "precision": "float64"}
    weighted = BatchSOM(2, 3, **options).fit(X, sample_weight=times)
    repeated = BatchSOM(2, 3, **options).fit(np.repeat(X, times, axis=0))
    assert np.allclose(weighted.weights_, repeated.weights_, rtol=1e-10)
    assert weighted.score(X, sample_weight=times) == pytest.approx(repeated.score(np.repeat(X, times, axis=0)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": np.ones((5, 5), bool)}, r"shape \(48, 60\); got \(5, 5\)"),
        ({"mask": np.ones((48, 60))}, "bool; got float64"),
        ({"sample_weight": -np.ones((48, 60))}, "-1.0 at"),
        ({"sample_weight": np.full((48, 60), np.nan)}, "nan at"),
        ({"sample_weight": np.ones(3)}, "one value for each sample"),
        ({"mask": np.zeros((48, 60), bool)}, "no sample to train on"),
    ],
)
def test_fit__refuses_masks_and_weights(patch, options, message):
    with pytest.raises(InputError, match=message):
        BatchSOM(2, 2).fit(patch, **options)


def test_warm_start__goes_on_where_it_stopped(patch):
    straight = BatchSOM(3, 3, epochs=6).fit(patch)
    som = BatchSOM(3, 3, epochs=6, warm_start=True).fit(patch, on_epoch=lambda epoch, _: epoch.epoch == 2)
    assert len(som.history_) == 2
    som.fit(patch)
    assert som.weights_.tobytes() == straight.weights_.tobytes()
    assert som.history_ == straight.history_
    with pytest.warns(UserWarning, match="all of epochs=6 and refine=0 are done"):
        som.fit(patch)


def test_partial_fit__makes_the_epochs_of_fit(patch):
    straight, som = BatchSOM(3, 3, epochs=4).fit(patch), BatchSOM(3, 3, epochs=4)
    for _ in range(4):
        som.partial_fit(patch)
    assert som.weights_.tobytes() == straight.weights_.tobytes()
    assert som.history_ == straight.history_
    assert som.partial_fit(patch).history_[-1].sigma == straight.history_[-1].sigma


def test_tol__stops_early(patch):
    options = {"epochs": 60, "sigma": (1, 0.5), "decay": "asymptotic"}  # 0.5 from the middle of the epochs on
    history = BatchSOM(2, 2, tol=1e-3, **options).fit(patch).history_
    assert 30 <= len(history) < 60
    assert history[-1].sigma == 0.5
    assert len(BatchSOM(2, 2, **options).fit(patch).history_) == 60


@pytest.mark.parametrize(
    ("dtype", "bands", "refine", "last"),
    [("u1", 3, 0, 0.1), ("u1", 1, 0, 0.1), ("u1", 3, 12, 0.5), ("u1", 4, 0, 0.5), ("u2", 3, 0, 0.5), ("f4", 3, 0, 0.5)],
)
@pytest.mark.parametrize("method", ["auto", "stream"])
def test_sigma__ends_by_the_purpose_of_the_map(dtype, bands, refine, last, method):
    image = np.random.default_rng(0).integers(0, 256, (20, 20, bands)).astype(dtype)
    history = BatchSOM(4, 6, epochs=3, refine=refine, method=method).fit(image).history_
    assert [history[0].sigma, history[2].sigma] == pytest.approx([3, last])


def test_sigma__keeps_the_order_of_tables():
    X = load_iris().data
    ordered, loose = (BatchSOM(8, 8, sigma=sigma).fit(X) for sigma in (None, (4, 0.1)))
    assert ordered.evaluate(X).topographic_error < 0.5 * loose.evaluate(X).topographic_error


@pytest.mark.parametrize("decay", DECAYS)
def test_tol__never_stops_before_the_radius_is_at_its_last_value(patch, decay):
    som = BatchSOM(3, 3, epochs=12, sigma=(2, 0.7), decay=decay, tol=1e9).fit(patch)
    assert som.history_[-1].sigma == pytest.approx(0.7)
    assert [epoch.sigma for epoch in som.history_].count(som.history_[-1].sigma) == 1


@pytest.mark.parametrize("metric", METRICS)
def test_metric__predict_takes_the_unit_of_least_distance(patch, metric):
    image = patch.astype(np.float64) + 1
    som = BatchSOM(3, 3, epochs=3, metric=metric, precision="float64").fit(image)
    distances = som.transform(image)
    labels = som.predict(image)
    chosen = np.take_along_axis(distances, labels[..., None].astype(int), axis=-1)[..., 0]
    assert np.allclose(chosen, distances.min(axis=-1), rtol=1e-6, atol=1e-9)
    expected = cdist(image.reshape(-1, 3), som.weights_.reshape(-1, 3), metric.replace("manhattan", "cityblock"))
    assert np.allclose(distances.reshape(-1, 9), expected, atol=1e-9)


def test_evaluate__tells_what_the_last_epoch_left(photograph):
    som = BatchSOM(4, 4, epochs=5).fit(photograph)
    counted = som.evaluate(photograph)
    streamed = BatchSOM(4, 4, init=som.weights_, epochs=1, method="stream").fit(photograph).history_[0]
    assert counted.mean_squared_error == pytest.approx(som.quality_.mean_squared_error)
    assert counted.topographic_error == som.quality_.topographic_error
    assert counted.quantization_error == pytest.approx(streamed.quantization_error, rel=1e-5)
    assert counted.explained_variance == pytest.approx(streamed.explained_variance, rel=1e-5)
    assert som.score(photograph) == -counted.mean_squared_error


def test_fit__chunks_without_samples_do_no_harm(photograph):
    image = photograph[:200].astype(np.float32)
    chunked = da.from_array(image, chunks=((0, 100, 100), (300, 300), (3,)))
    expected = BatchSOM(2, 2, epochs=2).fit(da.from_array(image, chunks=(100, 300, 3))).weights_
    assert np.array_equal(BatchSOM(2, 2, epochs=2).fit(chunked).weights_, expected)


def test_save__takes_numpy_parameters(patch, tmp_path):
    options = {"epochs": np.int64(2), "sigma": np.array([1.0, 0.5]), "random_state": np.int32(3)}
    som = BatchSOM(np.int64(2), 2, **options).fit(patch)
    som.save(tmp_path / "map.npz")
    assert dasksom.load(tmp_path / "map.npz").get_params()["sigma"] == (1.0, 0.5)


def test_fit__refuses_magnitudes_whose_squares_overflow():
    with pytest.raises(InputError, match=r"1e\+200 \(too large\) at pixel \(1,\), band 0"):
        BatchSOM(2, 2).fit(np.array([[1.0], [1e200]]))


def test_fit__refuses_data_arrays_without_bands(patch):
    for dims, array in {("y", "lon"): patch[..., 0], ("time", "level", "y", "x"): patch[None, None, ..., 0]}.items():
        with pytest.raises(InputError, match=rf"this one's is '{dims[-1]}'; dasksom.open_image\(X\)"):
            BatchSOM(2, 2, epochs=1).fit(xarray.DataArray(array, dims=dims))


def test_fit__takes_data_arrays_whose_bands_are_last(patch):
    som = BatchSOM(2, 2, epochs=1)
    expected = som.fit(patch).weights_
    assert np.array_equal(som.fit(xarray.DataArray(patch, dims=("y", "x", "band"))).weights_, expected)


def test_a_lazy_data_array_stays_lazy(patch):
    lazy = da.from_array(patch, chunks=(20, 30, 3))
    som = BatchSOM(3, 3, epochs=3).fit(xarray.DataArray(lazy, dims=("y", "x", "band")))
    assert np.array_equal(som.weights_, BatchSOM(3, 3, epochs=3).fit(lazy).weights_)
    labels = som.predict(xarray.DataArray(lazy, dims=("y", "x", "band")))
    assert isinstance(labels.data, da.Array)
    assert np.array_equal(labels.compute(), som.predict(patch))


def test_fit__says_how_images_of_several_sizes_are_given(patch):
    with pytest.raises(InputError, match="list of dask arrays"):
        BatchSOM(2, 2, epochs=1).fit([patch, patch[:9]])


def test_fit__refuses_sides_whose_neighborhood_is_too_large(patch):
    with pytest.raises(InputError, match="side of 5000 units; at most 4096"):
        BatchSOM(1, 5000).fit(patch)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("toroidal", [False, True])
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
def test_fit__on_every_lattice_equals_the_reference(patch, topology, toroidal, neighborhood):
    small = np.ascontiguousarray(patch[:12, :12])
    start = np.unique(small.reshape(-1, 3), axis=0)[::3][:12].reshape(4, 3, 3).astype(float)
    som = BatchSOM(
        4,
        3,
        epochs=3,
        topology=topology,
        toroidal=toroidal,
        neighborhood=neighborhood,
        sigma=(1.6, 0.8),
        decay="linear",
        init=start,
    ).fit(small)
    samples, sigmas = small.reshape(-1, 3).tolist(), [epoch.sigma for epoch in som.history_]
    lattice = Lattice(4, 3, topology, toroidal)
    expected = reference.train(samples, start.reshape(-1, 3).tolist(), lattice, sigmas, neighborhood)
    assert np.allclose(som.weights_.reshape(-1, 3), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neighborhood": "mexican_hat"}, "divide by zero"),
        ({"rows": 3, "topology": "hexagonal", "toroidal": True}, "even number of rows"),
        ({"topology": "triangular"}, "'rectangular', 'hexagonal'"),
        ({"toroidal": "yes"}, "True or False"),
    ],
)
def test_fit__refuses_lattices_that_do_not_exist(patch, options, message):
    with pytest.raises(InputError, match=message):
        BatchSOM(**{"rows": 4, "columns": 4, **options}).fit(patch)


def test_fit__takes_a_function_for_the_decay_and_saves_without_it(patch, tmp_path):
    som = BatchSOM(2, 2, epochs=3, sigma=(2, 1), decay=lambda first, last, progress: first - progress).fit(patch)
    assert [epoch.sigma for epoch in som.history_] == [2, 1.5, 1]
    som.save(tmp_path / "map.npz")
    assert dasksom.load(tmp_path / "map.npz").decay == "exponential"


def test_fit__random_start_is_seeded(patch):
    maps = [BatchSOM(2, 2, epochs=1, init="random", random_state=seed).fit(patch).weights_ for seed in (1, 1, 2)]
    assert np.array_equal(maps[0], maps[1])
    assert not np.array_equal(maps[0], maps[2])


@pytest.mark.parametrize("units", [4, 8])
def test_refine__ends_below_kmeans_with_neighbors_alike(photograph, units):
    plain = BatchSOM(units, units, epochs=20).fit(photograph)
    refined = BatchSOM(units, units, epochs=20, refine=80).fit(photograph)
    kmeans = KMeans(units**2, n_init=1, random_state=0).fit(photograph.reshape(-1, 3).astype(np.float32))
    assert refined.quality_.mean_squared_error < kmeans.inertia_ / (400 * 600)
    assert refined.quality_.mean_squared_error < 0.99 * plain.quality_.mean_squared_error
    assert len(refined.history_) == 100
    order = refined.evaluate(photograph).topographic_error
    random = refined.weights_.reshape(-1, 3)[np.random.default_rng(0).permutation(units**2)]
    refined.weights_ = random.reshape(units, units, 3)
    assert order < 0.6 * refined.evaluate(photograph).topographic_error


def test_refine__counting_colors_gives_what_streaming_gives(patch):
    maps = [
        BatchSOM(3, 3, epochs=6, refine=24, method=method, precision="float64").fit(patch).weights_
        for method in ("colors", "stream")
    ]
    assert np.allclose(*maps, rtol=1e-9)


def test_refine__counted_colors_give_the_same_bits_for_any_chunks(photograph):
    maps = [
        BatchSOM(4, 4, epochs=5, refine=20).fit(da.from_array(photograph, chunks=chunks)).weights_.tobytes()
        for chunks in ((400, 600, 3), (33, 90, 3))
    ]
    assert maps[0] == maps[1]


def test_refine__stops_when_told_once_no_unit_is_added_for_a_time(patch):
    seen = []
    som = BatchSOM(3, 3, epochs=2, refine=24)
    som.fit(patch.astype("u2"), on_epoch=lambda epoch, codebook: seen.append(len(codebook)) or epoch.epoch >= 4)
    assert som.weights_.shape == (3, 3, 3)
    assert seen == [9, 9, 11, 11, 9]  # two units are added after epoch 2 and removed after epoch 4


def test_refine__a_tolerance_does_not_stop_it_before_units_have_moved(patch):
    som = BatchSOM(2, 2, epochs=5, refine=30, tol=10.0).fit(patch.astype("u2"))
    assert len(som.history_) == 5 + 23  # what the last growth added is removed then, and the rest would be at rest
    assert BatchSOM(2, 2, epochs=5, tol=10.0, sigma=(1, 1)).fit(patch).history_[-1].epoch == 1


@pytest.mark.parametrize("result", [True, np.True_, 1, "stop"])
def test_on_epoch__a_true_result_ends_the_training(patch, result):
    assert len(BatchSOM(2, 2, epochs=5).fit(patch, on_epoch=lambda *_: result).history_) == 1


@pytest.mark.parametrize("result", [None, False, np.False_, 0])
def test_on_epoch__another_result_does_not(patch, result):
    assert len(BatchSOM(2, 2, epochs=5).fit(patch, on_epoch=lambda *_: result).history_) == 5


def test_on_epoch__cannot_change_the_codebook(patch):
    def change(_, codebook):
        codebook[:] = 0

    with pytest.raises(ValueError, match="read-only"):
        BatchSOM(2, 2, epochs=5).fit(patch, on_epoch=change)
    codebooks = []
    som = BatchSOM(2, 2, epochs=3).fit(patch, on_epoch=lambda _, codebook: codebooks.append(codebook))
    assert np.array_equal(codebooks[-1], som.codebook_.units)
    som.weights_[:] = 0  # the result is the user's own


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_warm_start__refuses_another_lattice(patch, method):
    som = BatchSOM(3, 3, epochs=2, warm_start=True).fit(patch)
    with pytest.raises(InputError, match=r"rows=4, columns=3: the map to continue with has 3 x 3 units; use rows=3"):
        getattr(som.set_params(rows=4, epochs=4), method)(patch)


def test_random_state__may_be_a_generator_of_numpy(patch, tmp_path):
    def fitted(state):
        return BatchSOM(3, 3, epochs=1, init="sample", random_state=state).fit(patch)

    for kind in (np.random.RandomState, np.random.default_rng):
        assert np.array_equal(fitted(kind(3)).weights_, fitted(kind(3)).weights_)
        assert not np.array_equal(fitted(kind(3)).weights_, fitted(kind(4)).weights_)
    fitted(np.random.RandomState(3)).save(tmp_path / "map.npz")
    assert dasksom.load(tmp_path / "map.npz").random_state is None
    lazy = da.from_array(patch, chunks=(20, 60, 3))
    with pytest.raises(InputError, match="needs a random_state that is None or an int, not a RandomState"):
        BatchSOM(2, 2, random_state=np.random.RandomState(0)).fit(lazy, checkpoint=tmp_path / "kept")


def test_predict__labels_can_be_calculated_with(patch):
    labels = BatchSOM(10, 10, epochs=1).fit_predict(patch)
    assert labels.dtype == np.int32
    assert (labels * 1000).max() > 2**15


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (np.zeros((4, 3), np.longdouble), r"at most 64 bits, for example x.astype\('float64'\)"),
        (np.zeros((4, 3), bool), r"for example x.astype\('uint8'\)"),
        (np.zeros((4, 3), "datetime64[s]"), r"at most 64 bits$"),
        (da.from_array(np.full((4, 3), "a"), chunks=(2, 3)), "Convert your data to numeric values explicitly"),
    ],
)
def test_fit__gives_advice_that_helps(array, advice):
    with pytest.raises(InputError, match=advice):
        BatchSOM(2, 2).fit(array)


def test_empty_units__keep_their_vectors_or_go_to_where_the_error_is(patch):
    start = np.full((1, 4, 3), 1000.0) + np.arange(4)[None, :, None]  # all but the first are nobody's
    kept, moved = (
        BatchSOM(1, 4, epochs=6, sigma=(0.05, 0.05), init=start, empty_units=policy).fit(patch)
        for policy in ("keep", "reseed")
    )
    assert np.array_equal(kept.weights_[0, 1:], start[0, 1:])
    assert (kept.quality_.hits > 0).sum() == 1
    assert (moved.quality_.hits > 0).all()
    assert moved.quality_.mean_squared_error < 0.5 * kept.quality_.mean_squared_error


@pytest.mark.parametrize("space", [name for name in COLOR_SPACES if name not in ("rgb", "rgba")])
def test_color_space__is_where_colors_are_compared(photograph, space):
    small = photograph[:100, :100]
    plain, som = (BatchSOM(4, 4, refine=40, color_space=name).fit(small) for name in ("rgb", space))
    there, quantized, other = (
        to_space(image.reshape(-1, 3), space, 255) for image in (small, som.quantize(small), plain.quantize(small))
    )
    assert ((there - quantized) ** 2).sum() < ((there - other) ** 2).sum()
    labels = som.predict(small)
    pixels, units = (to_space(values.reshape(-1, 3), space, 255) for values in (small[::5, ::5], som.weights_))
    assert np.array_equal(labels[::5, ::5].ravel(), cdist(pixels, units).argmin(axis=1))
    assert som.score(small) == pytest.approx(-som.quality_.mean_squared_error)


def test_color_space__types_agree(photograph):
    small = photograph[:60, :60]
    options = {"epochs": 6, "sigma": (1.5, 0.1), "color_space": "lab"}
    eight = BatchSOM(3, 3, **options).fit(small)
    streamed = BatchSOM(3, 3, **options, precision="float64").fit(small / 255.0)
    assert np.allclose(eight.weights_ / 255, streamed.weights_, rtol=1e-6)
    assert np.array_equal(eight.predict(small), streamed.predict(small / 255.0))


def test_color_space__is_saved_and_needs_three_bands(patch, tmp_path):
    som = BatchSOM(2, 2, epochs=3, color_space="oklab").fit(patch)
    som.save(tmp_path / "map.npz")
    loaded = dasksom.load(tmp_path / "map.npz")
    assert np.array_equal(loaded.predict(patch), som.predict(patch))
    with pytest.raises(InputError, match="three bands of sRGB; X has 2"):
        BatchSOM(2, 2, color_space="lab").fit(patch[..., :2])
    with pytest.raises(InputError, match="mixes the bands"):
        BatchSOM(2, 2, color_space="lab", missing="bands").fit(patch)


@pytest.mark.parametrize("metric", METRICS)
def test_metric__counted_colors_give_what_streaming_gives(patch, metric):
    counted = BatchSOM(3, 3, epochs=5, metric=metric, precision="float64").fit(patch)
    streamed = BatchSOM(3, 3, epochs=5, metric=metric, precision="float64", method="stream").fit(patch)
    assert np.allclose(counted.weights_, streamed.weights_, rtol=1e-9)


def test_structure__has_the_names_of_scikit_learn(photograph):
    som = BatchSOM(4, 5, epochs=6, topology="hexagonal").fit(photograph)
    assert som.n_iter_ == len(som.history_) == 6
    assert np.array_equal(som.cluster_centers_, som.weights_.reshape(20, 3))
    assert np.array_equal(som.hits().ravel(), np.bincount(som.predict(photograph).ravel(), minlength=20))
    assert som.positions()[6].tolist() == [1.5, 3**0.5 / 2]
    assert som.u_matrix().shape == (4, 5)


def test_group__gives_classes_of_pixels(photograph):
    som = BatchSOM(6, 6, epochs=6).fit(photograph)
    classes = som.group(5)
    found = classes.of_labels(som.predict(photograph))
    assert np.array_equal(np.unique(found), np.arange(1, 6))
    assert (np.diff(np.bincount(found.ravel())[1:]) <= 0).all()
    streamed = BatchSOM(6, 6, epochs=2, method="stream").fit(photograph)
    with pytest.raises(InputError, match="has not counted its hits"):
        streamed.group(5)
    assert streamed.group(5, hits=np.ones((6, 6))).count == 5
