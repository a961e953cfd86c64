import numpy as np
import pytest

from dasksom.errors import InputError
from dasksom.som.codebook import Codebook


def test_weights_cannot_be_changed():
    weights = np.ones((1, 1, 1))
    codebook = Codebook(weights)
    weights[0] = 5
    assert codebook.weights[0, 0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        codebook.weights[0] = 2


def test_palette__rounds_and_clips_integers():
    codebook = Codebook(np.array([[[-3.0, 0.6, 254.4, 300.0]]]))
    assert codebook.palette(np.dtype("u1")).tolist() == [[0, 1, 254, 255]]
    assert codebook.palette(np.dtype("i1")).tolist() == [[-3, 1, 127, 127]]
    assert codebook.palette(np.dtype("f4")).dtype == np.float32


def test_palette__of_64_bit_integers_stays_in_range():
    codebook = Codebook(np.array([[[1e30]]]))
    assert codebook.palette(np.dtype("u8"))[0, 0] > 2**63
    assert codebook.palette(np.dtype("i8"))[0, 0] > 2**62


@pytest.mark.parametrize("weights", [np.ones((2, 3)), np.ones((0, 3, 3)), np.full((1, 1, 1), np.nan)])
def test_codebook__refuses_what_is_none(weights):
    with pytest.raises(InputError, match="codebook"):
        Codebook(weights)


def test_arrays__round_trip():
    codebook = Codebook(np.random.default_rng(0).random((3, 4, 5)), {"epochs": 7, "dtype": "uint8"})
    again = Codebook.from_arrays(codebook.to_arrays())
    assert np.array_equal(again.weights, codebook.weights)
    assert (again.about, again.dtype) == ({"epochs": 7, "dtype": "uint8"}, "uint8")
