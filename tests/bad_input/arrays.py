"""Arrays that are no images and no tables of samples."""

import dask.array as da
import numpy as np
import scipy.sparse
import xarray as xr

import dasksom
from dasksom import BatchSOM
from dasksom.minisom.minisom import MiniSom
from tests.bad_input.cases import Case

X = np.random.default_rng(0).random((50, 3))
SHAPE = "(height, width, bands)"


def _fit(array, **options):
    return lambda folder: BatchSOM(2, 2, epochs=1).fit(array() if callable(array) else array, **options)


def _trained():
    return BatchSOM(2, 2, epochs=1).fit(X)


def _holding(value):
    array = X.copy()
    array[7, 1] = value
    return array


STRUCTURED = np.zeros(5, [("r", "u1"), ("g", "u1")])
CASES = [
    Case("array: no samples", _fit(np.empty((0, 3))), "0 sample(s)", "a minimum of 1"),
    Case("array: no bands", _fit(np.empty((5, 0))), "0 feature(s)", "a minimum of 1"),
    Case("array: no rows", _fit(np.empty((0, 5, 3))), "0 sample(s)", "a minimum of 1"),
    Case("array: one axis", _fit(X[:, 0]), "(50,)", SHAPE),
    Case("array: a number", _fit(np.float64(3)), "Expected", "array"),
    Case("array: None", _fit(None), "Expected", "array"),
    Case("array: text", _fit(np.array([["a", "b"]])), "dtype", "numeric"),
    Case("array: objects", _fit(np.array([[{}, {}]], object)), "dict", "number"),
    Case("array: lists of different lengths", _fit([[1, 2], [3]]), "inhomogeneous", "array"),
    Case("array: a sparse matrix", _fit(scipy.sparse.eye(3)), "Sparse data", "toarray()"),
    Case("array: complex", _fit(X.astype(complex)), "complex128", "real and imaginary parts"),
    Case("array: bool", _fit(X > 0.5), "an array of bool", "x.astype('uint8')"),
    Case("array: dates", _fit(X.astype("M8[s]")), "datetime64", "integers or floating"),
    Case("array: times", _fit(X.astype("m8[s]")), "timedelta64", "integers or floating"),
    Case("array: structured", _fit(STRUCTURED), "1D array", "Reshape your data"),
    Case("array: of 128 bits", _fit(X.astype(np.longdouble)), "float128", "integers or floating point"),
    Case("array: chunks of unknown size", lambda folder: BatchSOM(2, 2).fit(da.from_array(X)[da.from_array(X)[:,
         0] > 0.5]),
         "chunk sizes are unknown", "compute_chunk_sizes()"),
    Case("array: NaN alone", _fit(np.full((9, 3), np.nan)), "no sample", "NaN", early=False),
    Case("array: infinity", _fit(_holding(np.inf)), "infinity", "(7,)", early=False),
    Case("array: minus infinity", _fit(_holding(-np.inf)), "infinity", "(7,)", early=False),
    Case("array: numbers too large to square", _fit(_holding(1e300)), "1e+", "(7,)", early=False),
    Case("array: all masked", _fit(np.ma.masked_all((9, 3))), "no sample", "mask", early=False),
    Case("mask: of another shape", _fit(X, mask=np.ones(7, bool)), "got (7,)", "the shape (50,)"),
    Case("mask: of numbers", _fit(X, mask=np.ones(50)), "got float64", "mask != 0"),
    Case("mask: nothing counts", _fit(X, mask=np.zeros(50, bool)), "no sample", "mask", early=False),
    Case("weights: of another shape", _fit(X, sample_weight=np.ones((50, 2))), "got (50, 2)", "the shape (50,)"),
    Case("weights: text", _fit(X, sample_weight=np.array(["a"] * 50)), "got <U1", "numbers of at least 0"),
    Case("weights: negative", _fit(X, sample_weight=-np.ones(50)), "weight", "at least 0", early=False),
    Case("weights: NaN", _fit(X, sample_weight=np.full(50, np.nan)), "weight", "at least 0", early=False),
    Case("images: of different bands", _fit([da.ones((5, 5, 3)), da.ones((5, 5, 4))]), "4", "3"),
    Case("predict: other bands", lambda folder: _trained().predict(np.ones((5, 4))), "X has 4 features", "expecting 3"),
    Case("predict: one axis", lambda folder: _trained().predict(X[:, 0]), "(50,)", SHAPE),
    Case("quantize: text", lambda folder: _trained().quantize(np.array([["a", "b", "c"]])), "dtype", "numeric"),
    Case("minisom: NaN", lambda folder: MiniSom(2, 2, 3).train(X * np.nan, 5), "sample 0 holds nan",
         "Leave such samples out"),
    Case("open_image: an xarray of times",
         lambda folder: dasksom.open_image(xr.DataArray(np.ones((2, 9, 9)), dims=("time", "y", "x"))), "time=2",
         "--select time=0"),
    Case("open_picture: a mask of another shape",
         lambda folder: dasksom.open_picture(folder / "photo.png", mask=np.ones((2, 2), bool)), "(2, 2)", "(40, 48)"),
    Case("open_picture: a level of no pyramid", lambda folder: dasksom.open_picture(folder / "good.tif", level=-1),
         "--level -1",
         "its levels are 0"),
]  # fmt: skip
