"""A map that was saved and loaded is the map in memory."""

import json
import warnings

import numpy as np
import pytest
import xarray

import dasksom
from dasksom import BatchSOM, InputError


@pytest.fixture
def frame(patch):
    """A data frame of three named bands; pandas comes with xarray."""
    from pandas import DataFrame

    return DataFrame(patch.reshape(-1, 3).astype(np.float64), columns=["red", "green", "blue"])


def saved(som, tmp_path):
    som.save(tmp_path / "map.npz")
    return dasksom.load(tmp_path / "map.npz")


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_partial_fit__continues_at_the_same_radius(patch, tmp_path, dtype):
    som = BatchSOM(4, 4, epochs=6).fit(patch.astype(dtype))
    loaded = saved(som, tmp_path)
    assert loaded.history_ == som.history_
    again, expected = loaded.partial_fit(patch.astype(dtype)), som.partial_fit(patch.astype(dtype))
    assert again.history_ == expected.history_
    assert again.weights_.tobytes() == expected.weights_.tobytes()


def test_warm_start__continues_where_it_stopped(patch, tmp_path):
    straight = BatchSOM(3, 3, epochs=6).fit(patch)
    stopped = BatchSOM(3, 3, epochs=6, warm_start=True).fit(patch, on_epoch=lambda epoch, _: epoch.epoch == 2)
    loaded = saved(stopped, tmp_path).fit(patch)
    assert loaded.weights_.tobytes() == straight.weights_.tobytes()
    assert loaded.history_ == straight.history_


@pytest.mark.parametrize("refine", [None, 0, 12])
def test_quality_and_parameters_are_kept(patch, tmp_path, refine):
    som = BatchSOM(3, 3, epochs=2, refine=refine).fit(patch)
    loaded = saved(som, tmp_path)
    assert loaded.get_params() == som.get_params()
    assert loaded.refine_ == som.refine_ == (80 if refine is None else refine)
    assert loaded.dtype_ == "uint8"
    for name in ("hits", "squared_errors", "counts", "offsets", "distance", "squared_offset", "misplaced"):
        assert np.array_equal(getattr(loaded.quality_, name), getattr(som.quality_, name)), name
    assert saved(BatchSOM(2, 2, epochs=1, method="stream").fit(patch), tmp_path).quality_ is None


def test_names_of_bands__are_kept_and_checked(frame, tmp_path):
    som = BatchSOM(3, 3, epochs=2).fit(frame)
    loaded = saved(som, tmp_path)
    assert loaded.feature_names_in_.tolist() == ["red", "green", "blue"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(loaded.predict(frame), som.predict(frame))
    for one in (som, loaded):
        with pytest.raises(ValueError, match="feature names should match"):
            one.predict(frame[["blue", "green", "red"]])


def test_names_of_bands__are_those_of_a_data_array(patch, tmp_path):
    array = xarray.DataArray(patch, dims=("y", "x", "band"), coords={"band": ["red", "green", "blue"]})
    loaded = saved(BatchSOM(2, 2, epochs=1).fit(array), tmp_path)
    assert loaded.feature_names_in_.tolist() == ["red", "green", "blue"]
    np.testing.assert_array_equal(loaded.predict(array[..., ::-1]), loaded.predict(array))
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.predict(array.assign_coords(band=["red", "green", "infrared"]))


def test_lazy_data_frames__stay_lazy_with_their_names(frame):
    dataframe = pytest.importorskip("dask.dataframe")
    lazy = dataframe.from_pandas(frame, npartitions=3)
    som = BatchSOM(3, 3, epochs=3).fit(lazy)
    assert som.feature_names_in_.tolist() == ["red", "green", "blue"]
    assert np.allclose(som.weights_, BatchSOM(3, 3, epochs=3).fit(frame).weights_)
    labels = som.predict(lazy)
    assert hasattr(labels, "dask")
    assert np.array_equal(labels.compute(), som.predict(frame))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1], "whose state are .* not a mapping"),
        ({"history": 3}, "state cannot be read"),
        ({"history": [{"epoch": 1}]}, "state cannot be read"),
        ({"quality": {"hits": [1.0]}}, "state cannot be read"),
        ({"bands": ["a"]}, "a model of 3 bands whose names are"),
        ({"bands": "abc"}, "a model of 3 bands whose names are"),
    ],
)
def test_states_that_are_none_are_refused(patch, tmp_path, state, message):
    BatchSOM(2, 2, epochs=1).fit(patch).save(tmp_path / "map.npz")
    with np.load(tmp_path / "map.npz") as arrays:
        weights, about = arrays["weights"], json.loads(arrays["about"].tobytes())
    about["state"] = state
    np.savez(tmp_path / "other.npz", weights=weights, about=np.frombuffer(json.dumps(about).encode(), np.uint8))
    with pytest.raises(InputError, match=message):
        dasksom.load(tmp_path / "other.npz")


def test_files_of_older_versions_still_load(patch, tmp_path):
    som = BatchSOM(2, 2, epochs=1).fit(patch)
    som.save(tmp_path / "map.npz")
    with np.load(tmp_path / "map.npz") as arrays:
        weights, about = arrays["weights"], json.loads(arrays["about"].tobytes())
    del about["state"]
    np.savez(tmp_path / "old.npz", weights=weights, about=np.frombuffer(json.dumps(about).encode(), np.uint8))
    old = dasksom.load(tmp_path / "old.npz")
    assert np.array_equal(old.predict(patch), som.predict(patch))
    assert (old.history_, old.quality_) == ((), None)
