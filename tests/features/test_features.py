"""Features: transforms, row sums, formulas, caps and weights, against NumPy."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dasksom import BatchSOM, Features, InputError, load
from dasksom.features.fitting import planned_features
from dasksom.som.features.pixel_features import PixelFeatures

ROWS, COLUMNS, BANDS = 40, 50, 4


def scene(dtype="u2"):
    draw = np.random.default_rng(5)
    made = draw.gamma(2, 1, (ROWS, COLUMNS, BANDS)) * [3, 30, 5, 200]
    made[:4, :4] = 0
    return made.astype(dtype)


def trained(image, *, scale="none", features=None, fit=None, **options):
    lazy = da.from_array(image, chunks=(13, 20, -1)) if isinstance(image, np.ndarray) else image
    settings = {"epochs": 3, "random_state": 1, "scale": scale, "features": features, **options}
    return BatchSOM(3, 3, **settings).fit(lazy, **(fit or {}))


def over_percentile(values, positive=True):
    used = np.where(values > 0, values, np.nan) if positive else values
    return np.nanpercentile(used, 99, axis=0)


def shares(image):
    with np.errstate(invalid="ignore"):
        divided = image / over_percentile(image.reshape(-1, BANDS))
        return divided / divided.sum(axis=-1, keepdims=True)


def ndvi(image):
    with np.errstate(invalid="ignore"):
        ratio = (image[..., 1] - image[..., 0]) / (image[..., 1] + image[..., 0])
    return np.concatenate([image, ratio[..., None]], axis=-1)


CASES = {
    "log1p": (Features(transform="log1p"), np.log1p),
    "sqrt": (Features(transform="sqrt"), np.sqrt),
    "arcsinh": (Features(transform="arcsinh:5"), lambda x: np.arcsinh(x / 5)),
    "row sum": (Features(row_sum="raw"), lambda x: x / np.where(x.any(-1), x.sum(-1), np.nan)[..., None]),
    "row sum of percentiles": (Features(row_sum="positive:99"), shares),
    "formula": (Features(feature=["ndvi=(b1-b0)/(b1+b0)"]), ndvi),
    "cap": (Features(cap=20), lambda x: np.clip(x, -20, 20)),
    "weights": (Features(weight=["b0=2", "b1=0.5", "b3=0"]), lambda x: x * [2, 0.5, 1, 0]),
}


@pytest.mark.parametrize("dtype", ["u2", "f4"])
@pytest.mark.parametrize("case", CASES)
def test_a_map_of_features__is_the_map_of_the_array_of_features(case, dtype, tmp_path):
    image = scene(dtype)
    features, reference = CASES[case]
    computed = reference(image.astype(np.float64)).astype(np.float32)
    som, plain = trained(image, features=features), trained(computed)
    np.testing.assert_allclose(som.feature_weights_, plain.weights_, rtol=1e-4, atol=1e-5)
    labels, expected = som.predict(image), plain.predict(computed)
    assert np.mean(labels != expected) < 2e-3
    np.testing.assert_array_equal(labels < 0, np.isnan(computed).any(axis=-1))
    assert som.weights_.shape == (3, 3, BANDS)
    som.save(tmp_path / "map.npz")
    other = load(tmp_path / "map.npz")
    assert other.features == features
    np.testing.assert_array_equal(other.predict(image), labels)
    if not som.features_.is_invertible:  # units have the means of their pixels
        for unit in range(9):
            if (labels == unit).any():
                mean = image[labels == unit].astype(np.float64).mean(axis=0)
                np.testing.assert_allclose(som.weights_.reshape(9, -1)[unit], mean, rtol=1e-5)


@pytest.mark.parametrize("scale", ["standard", "percentile:99", "positive:99", "minmax:5,95"])
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_scalings__are_those_of_the_transformed_bands(scale, dtype):
    image = scene(dtype)
    features = trained(image, scale=scale, features=Features(transform="arcsinh:5")).features_
    flat = np.arcsinh(image.reshape(-1, BANDS).astype(np.float64) / 5)
    expected = {
        "standard": flat.std(axis=0),
        "percentile:99": over_percentile(flat, positive=False),
        "positive:99": over_percentile(flat),
        "minmax:5,95": np.subtract(*np.percentile(flat, [95, 5], axis=0)),
    }[scale]
    np.testing.assert_allclose(features.spread, expected, rtol=1e-6)


def test_counted_colors__have_features_too():
    image = scene("u1")[..., :3]
    features = Features(transform="sqrt", feature=["d=b0/b1"], weight=["b2=0.5"])
    counted, streamed = (trained(image, features=features, scale="standard", method=m) for m in ("colors", "stream"))
    np.testing.assert_allclose(counted.weights_, streamed.weights_, rtol=1e-4)
    large = np.tile(image, (52, 41, 1))
    assert (counted.predict(large)[:ROWS, :COLUMNS] == streamed.predict(image)).mean() > 0.999


def test_names_of_bands__are_those_of_the_data_frame():
    table = pd.DataFrame(scene("f4").reshape(-1, BANDS), columns=["CD3", "CD4-e", "B 8", "DNA"])
    som = BatchSOM(2, 2, epochs=1, features=Features(feature=["r=B 8/(CD4-e + 1)"], weight=["DNA=0"])).fit(table)
    values = table.to_numpy(np.float64)
    computed = som.features_.compute(values)
    np.testing.assert_allclose(computed[:, 4], values[:, 2] / (values[:, 1] + 1), rtol=1e-6)
    assert not computed[:, 3].any()


@pytest.mark.parametrize("names", [["a", "a", "b", "c"], ["", "a", "", "c"], ["", "", "", ""]])
def test_bands_without_a_name_of_their_own__are_known_by_number(names):
    image, others = scene("f4"), ["b0", "b1", names[2] or "b2", names[3] or "b3"]
    given = Features(feature=["r=(b1 - b0)/(b1 + 1)", f"s={others[3]}*2"], weight=["b0=3", f"{others[2]}=0.5"])
    planned = planned_features(given, "none", names, BANDS)
    values = image.reshape(-1, BANDS).astype(np.float64)
    more = [(values[:, 1] - values[:, 0]) / (values[:, 1] + 1), values[:, 3] * 2]
    expected = np.stack([*(values * [3, 1, 0.5, 1]).T, *more], axis=1)
    np.testing.assert_allclose(planned.compute(values), expected, rtol=1e-6)
    assert planned_features(Features(), "standard", names, BANDS).count == BANDS
    with pytest.raises(InputError, match="no band or feature 'a'"):
        planned_features(Features(weight=["a=2"]), "none", ["a", "a", "b", "c"], BANDS)


def test_names_that_repeat_in_a_data_array__are_not_compared():
    array = xr.DataArray(scene("u2"), dims=("y", "x", "band"), coords={"band": ["a", "a", "b", "c"]})
    som = BatchSOM(2, 2, epochs=2, scale="standard", random_state=0).fit(array)
    np.testing.assert_array_equal(som.predict(array), som.predict(scene("u2")))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"transform": "log"}, "one of none, log1p, sqrt, arcsinh"),
        ({"transform": "arcsinh:0"}, "one of"),
        ({"feature": ["x"]}, "NAME=FORMULA"),
        ({"cap": -1}, "above 0"),
        ({"weight": ["b0=-1"]}, "at least 0"),
        ({"row_sum": "standard"}, "one of none, raw"),
    ],
)
def test_features_that_cannot_be_made(given, problem):
    with pytest.raises(InputError, match=problem):
        Features(**given)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"feature": ["x=b9+b0"]}, "no band 'b9'"),
        ({"feature": ["x=__import__('os')"]}, "not accepted"),
        ({"feature": ["x=b0.real"]}, "not accepted"),
        ({"feature": ["x=b0**b1"]}, "exponent"),
        ({"feature": ["x=b0**1000"]}, "exponent"),
        ({"feature": ["x=b0 if b1 else b2"]}, "not accepted"),
        ({"feature": ["x=" + "(" * 150 + "b0" + ")" * 148]}, "not arithmetic"),
        ({"feature": ["x=" + "-" * 290 + "b0" * 30]}, "at most 300"),
        ({"feature": ["b0=b1+b2"]}, "not distinct"),
        ({"weight": ["CD3=2"]}, "no band or feature 'CD3'"),
        ({"weight": ["b0=0", "b1=0", "b2=0", "b3=0"]}, "at least one"),
    ],
)
def test_features_that_do_not_fit_the_image__are_refused_before_anything_is_read(given, problem):
    unread = da.map_blocks(
        lambda: 1 / 0, chunks=((4,), (4,), (BANDS,)), dtype=np.uint16, meta=np.empty((0, 0, 0), np.uint16)
    )
    with pytest.raises(InputError, match=problem):
        trained(unread, features=Features(**given), scale="minmax")


def test_features_and_color_spaces__exclude_each_other():
    with pytest.raises(InputError, match="color_space='rgb'"):
        trained(scene("u1")[..., :3], features=Features(cap=1), color_space="lab")


def test_missing_features__are_errors_or_left_out():
    image = scene("f4")
    features = Features(feature=["r=b0/b1"])
    with pytest.raises(InputError, match="feature 4 has no value"):
        trained(image, features=features, missing="error")
    labels = trained(image, features=features, missing="bands").predict(image)
    assert (labels >= 0).all()


@pytest.mark.parametrize("missing", ["exclude", "bands"])
@pytest.mark.parametrize("warm_up", ["none", 4000])
def test_features_in_memory__give_the_map_of_features_that_each_epoch_computes(missing, warm_up, monkeypatch):
    image = np.random.default_rng(3).gamma(2, [1, 9, 30, 100], (90, 70, 4)).astype("f4")
    image[:9, :30, 1] = np.nan
    weights, computed = np.random.default_rng(4).integers(0, 3, image.shape[:2]).astype("f8"), []
    compute = PixelFeatures.compute
    monkeypatch.setattr(PixelFeatures, "compute", lambda self, values: computed.append(1) or compute(self, values))
    options = {"epochs": 9, "random_state": 0, "missing": missing, "warm_up": warm_up, "scale": "percentile"}
    options["features"] = Features(transform="arcsinh", feature=("r=(b0-b1)/(b0+b1)",), weight=("b1=2",), cap=3.0)
    maps, counts = [], []
    for cache in ("none", "auto"):
        computed.clear()
        lazy = da.from_array(image, chunks=(32, 40, -1))
        maps.append(BatchSOM(3, 3, cache=cache, **options).fit(lazy, sample_weight=weights))
        counts.append(len(computed))
    np.testing.assert_array_equal(maps[0].weights_, maps[1].weights_)
    assert maps[0].history_ == maps[1].history_
    assert counts[1] < counts[0] if warm_up == "none" else counts[1] <= counts[0]
