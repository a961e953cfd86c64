"""Scaled maps: statistics, labels and model files, against NumPy and scikit-learn."""

import logging

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from dasksom import BatchSOM, InputError, load
from dasksom.cluster import Workers
from dasksom.config import RunConfig
from dasksom.runs.memory_plan import plan_run

ROWS, COLUMNS, BANDS = 60, 70, 4
CHUNKINGS = [(60, 70), (7, 9), (60, 5), (13, 70), (31, 33)]
SIZES = np.array([1.0, 30.0, 1.0, 200.0])


def scene(dtype, *, gaps=True):
    draw = np.random.default_rng(5)
    made = draw.gamma(2, 1, (ROWS, COLUMNS, BANDS)) * SIZES
    dtype = np.dtype(dtype)
    if dtype.kind == "i":
        made -= 40
    made = made.astype(dtype) if dtype.kind == "f" else np.clip(made, *_limits(dtype)).astype(dtype)
    if dtype.kind == "f" and gaps:
        made[draw.random((ROWS, COLUMNS)) < 0.05, 2] = np.nan
    return made


def _limits(dtype):
    return np.iinfo(dtype).min, np.iinfo(dtype).max


def mask():
    return np.random.default_rng(6).random((ROWS, COLUMNS)) < 0.8


def used(image, kept):
    samples = image[kept].astype(np.float64)
    return samples[~np.isnan(samples).any(axis=1)]


def trained(image, scale, chunks=(60, 70), **options):
    lazy = da.from_array(image, chunks=(*chunks, -1))
    fit = {name: options.pop(name) for name in ("mask", "sample_weight") if name in options}
    return BatchSOM(3, 3, **{"epochs": 3, "scale": scale, "random_state": 1, **options}).fit(lazy, **fit)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4"])
@pytest.mark.parametrize("chunks", CHUNKINGS, ids=str)
@pytest.mark.parametrize("workers", [1, 4])
def test_percentiles__are_those_of_numpy_for_any_chunks_and_workers(dtype, chunks, workers):
    image, kept = scene(dtype), mask()
    with dask.config.set(scheduler="threads", num_workers=workers):
        features = trained(image, "minmax:1,99", chunks, mask=kept, epochs=1, init="sample").features_
        over = trained(image, "percentile:99.9", chunks, mask=kept, epochs=1, init="sample").features_
    low, high = np.percentile(used(image, kept), [1, 99], axis=0)
    np.testing.assert_array_equal(features.center, low)
    np.testing.assert_array_equal(features.spread, high - low)
    np.testing.assert_array_equal(over.spread, np.abs(np.percentile(used(image, kept), 99.9, axis=0)))
    assert over.center == (0,) * BANDS


@pytest.mark.parametrize(
    ("scale", "scaler"),
    [
        ("standard", StandardScaler()),
        ("minmax:0,100", MinMaxScaler()),
        ("minmax:25,75", RobustScaler(with_centering=False)),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_scalings__are_those_of_scikit_learn(scale, scaler, dtype):
    image, kept = scene(dtype), mask()
    features = trained(image, scale, (13, 20), mask=kept).features_
    scaler.fit(used(image, kept))
    spread = 1 / scaler.scale_ if isinstance(scaler, MinMaxScaler) else scaler.scale_
    np.testing.assert_allclose(features.spread, spread, rtol=1e-12)
    if isinstance(scaler, StandardScaler):
        np.testing.assert_allclose(features.center, scaler.mean_, rtol=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "cosine"])
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_a_scaled_map__is_the_map_of_scaled_bands(metric, dtype):
    image, kept = scene(dtype), mask()
    som = trained(image, "standard", mask=kept, metric=metric)
    scaler = StandardScaler().fit(used(image, kept))
    scaled = ((image - scaler.mean_) / scaler.scale_).astype(np.float32)
    plain = trained(scaled, "none", mask=kept, metric=metric)
    np.testing.assert_allclose(som.feature_weights_, plain.weights_, atol=1e-5)
    np.testing.assert_allclose(som.weights_, plain.weights_ * scaler.scale_ + scaler.mean_, rtol=1e-4, atol=1e-4)
    assert np.mean(som.predict(image) != plain.predict(scaled)) < 1e-3
    assert som.history_[-1].mean_squared_error == pytest.approx(plain.history_[-1].mean_squared_error, rel=1e-5)
    np.testing.assert_allclose(som.transform(image), plain.transform(scaled), atol=1e-4)


def test_labels__are_the_float64_nearest_units_of_the_features():
    image = scene("u2")
    som = trained(image, "percentile:99")
    features = som.features_.compute(image.reshape(-1, BANDS)).astype(np.float64)
    units = som.feature_weights_.reshape(9, BANDS)
    nearest = ((features[:, None] - units) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(som.predict(image).reshape(-1), nearest)


def test_counted_colors__give_the_map_of_all_pixels():
    image = scene("u1")[..., :3]
    for scale in ("standard", "percentile:99", "minmax"):
        counted, streamed = (trained(image, scale, method=method, epochs=6) for method in ("colors", "stream"))
        np.testing.assert_allclose(counted.weights_, streamed.weights_, rtol=1e-5)
        np.testing.assert_allclose(counted.features_.spread, streamed.features_.spread, rtol=1e-12)
        assert (counted.predict(image) == streamed.predict(image)).all()
        large = np.tile(image, (32, 32, 1))  # labels from a table of all colors
        assert (counted.predict(large)[:ROWS, :COLUMNS] == counted.predict(image)).all()
        assert counted.quality_.hits.sum() == ROWS * COLUMNS


@pytest.mark.parametrize("scale", ["standard", "positive:99"])
def test_models__keep_their_scaling(tmp_path, scale):
    image = scene("u2")
    som = trained(image, scale)
    som.save(tmp_path / "map.npz")
    other = load(tmp_path / "map.npz")
    assert other.features_ == som.features_
    assert other.scale == scale
    np.testing.assert_array_equal(other.weights_, som.weights_)
    brighter = image * 2  # another image: the numbers of the training are used
    np.testing.assert_array_equal(other.predict(brighter), som.predict(brighter))
    before = other.features_
    other.partial_fit(brighter)
    assert other.features_ == before
    assert other.history_[:-1] == som.history_


def test_training__resumes_with_the_measured_scaling(tmp_path):
    image = da.from_array(scene("f4"), chunks=(20, 20, -1), name="scene")
    expected = BatchSOM(3, 3, epochs=4, scale="percentile", random_state=1).fit(image)

    def killed(epoch, _):
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    som = BatchSOM(3, 3, epochs=4, scale="percentile", random_state=1)
    with pytest.raises(KeyboardInterrupt):
        som.fit(image, checkpoint=tmp_path / "records", on_epoch=killed)
    other = BatchSOM(3, 3, epochs=4, scale="standard", random_state=1)
    with pytest.raises(InputError, match="scale: 'percentile' then, 'standard' now"):
        other.fit(image, checkpoint=tmp_path / "records")
    som.fit(image, checkpoint=tmp_path / "records")
    np.testing.assert_array_equal(som.weights_, expected.weights_)
    assert som.features_ == expected.features_


def test_standard__takes_no_pass_of_its_own():
    passes = []
    image = da.from_array(scene("u2"), chunks=(20, 20, -1))
    for scale in ("none", "standard", "percentile"):
        begun = []
        som = BatchSOM(3, 3, epochs=3, scale=scale, cache="none")
        som.fit(image, progress=lambda done, total, begun=begun: begun.append(done == total))
        passes.append(sum(begun))
    assert passes == [4, 4, 5]


@pytest.mark.parametrize(
    ("dtype", "scale", "init", "passes"),
    [
        ("u2", "none", "pca", 0),
        ("u2", "standard", "pca", 0),
        ("u2", "standard", "sample", 1),
        ("u2", "minmax", "pca", 1),
        ("f4", "minmax", "pca", 2),
        ("f8", "minmax", "pca", 4),
    ],
)
def test_the_plan__has_the_passes_of_the_training(dtype, scale, init, passes):
    image, begun = da.from_array(scene(dtype), chunks=(20, 20, -1)), []
    som = BatchSOM(3, 3, epochs=2, scale=scale, init=init, cache="none", random_state=0)
    plan = plan_run(image, som, RunConfig(), Workers(1, 1, 0), trains=True, writes=False)
    som.fit(image, progress=lambda done, total: begun.append(done == total))
    assert sum(begun) == plan.train_passes == 3 + passes
    prefixes = {"u2": 1, "f4": 4, "f8": 4}[dtype] if scale == "minmax" else 0
    assert plan.scaling.chunk_bytes == prefixes * 8 * BANDS << 16


def test_several_images__share_their_statistics():
    image = scene("u2")
    halves = [da.from_array(image[:30], chunks=(10, 10, -1)), da.from_array(image[30:], chunks=(20, 30, -1))]
    features = BatchSOM(3, 3, epochs=1, scale="minmax").fit(halves).features_
    low, high = np.percentile(image.reshape(-1, BANDS), [1, 99], axis=0)
    np.testing.assert_array_equal(features.center, low)
    np.testing.assert_array_equal(features.spread, high - low)


def test_missing_bands__are_left_out_of_their_statistics_only():
    image = scene("f4")
    for scale in ("standard", "minmax:0,100"):
        som = trained(image, scale, missing="bands")
        flat = image.reshape(-1, BANDS).astype(np.float64)
        center = np.nanmean(flat, axis=0) if scale == "standard" else np.nanmin(flat, axis=0)
        spread = np.nanstd(flat, axis=0) if scale == "standard" else np.nanmax(flat, axis=0) - center
        np.testing.assert_allclose(som.features_.center, center, rtol=1e-12)
        np.testing.assert_allclose(som.features_.spread, spread, rtol=1e-12)
        assert (som.predict(image) >= 0).all()


def test_constant_bands_and_weights():
    image = scene("u2")
    image[..., 1] = 7
    weight = np.random.default_rng(0).random((ROWS, COLUMNS))
    som = trained(image, "standard", sample_weight=weight)
    scaler = StandardScaler().fit(image.reshape(-1, BANDS), sample_weight=weight.reshape(-1))
    np.testing.assert_allclose(som.features_.spread, scaler.scale_, rtol=1e-10)
    assert som.features_.spread[1] == 1
    np.testing.assert_allclose(som.weights_[..., 1], 7)


@pytest.mark.parametrize(
    ("dtype", "bands", "scale", "warned"),
    [("u2", 4, "none", True), ("f4", 4, "none", True), ("u2", 4, "standard", False), ("u1", 3, "none", False)],
)
def test_bands_that_vary_differently__are_warned_of_once(caplog, dtype, bands, scale, warned):
    image = scene(dtype)[..., :bands]
    image[..., 0] = 5
    with caplog.at_level(logging.WARNING):
        trained(image, scale)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * warned
    if warned:
        assert "band 3 has 9" in caplog.text
        assert "--scale standard" in caplog.text


def test_settings_that_are_refused():
    image = scene("u2")
    for scale, problem in {
        "median": "one of none, standard, percentile",
        "percentile:101": "one of",
        "minmax:9,1": "one of",
        "standard:3": "one of",
    }.items():
        with pytest.raises(InputError, match=problem):
            trained(image, scale)
    with pytest.raises(InputError, match="color_space='rgb'"):
        trained(image[..., :3], "standard", color_space="lab")
