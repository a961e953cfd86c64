"""Tables that users give: whatever their kind, the same samples; and what is no sample is refused."""

import numpy as np
import pytest

from dasksom.errors import InputError
from dasksom.minisom.tables import TILE_NUMBERS, Rows, as_sample


class Table:
    """Has a length and rows, and nothing else."""

    def __init__(self, rows):
        self._rows = rows

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, number):
        assert isinstance(number, int)
        return self._rows[number]


@pytest.mark.parametrize("kind", [list, tuple, np.array, Table, lambda rows: np.array(rows, np.int16)])
def test_rows__of_whatever_kind_are_the_same_samples(kind):
    rows = Rows(kind([[1, 2], [3, 4], [5, 6]]), 2)
    assert len(rows) == 3
    assert np.concatenate(list(rows.tiles())).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert rows.at(np.array([2, 0])).tolist() == [[5, 6], [1, 2]]
    assert rows.at(np.array([2, 0])).dtype == np.float64


def test_rows__come_in_tiles():
    data = np.arange(3 * TILE_NUMBERS // 2, dtype=np.float32).reshape(-1, 2)
    rows = Rows(data, 2)
    tiles = list(rows.tiles())
    assert [len(tile) for tile in tiles] == [TILE_NUMBERS // 2, TILE_NUMBERS // 4]
    assert [len(tile) for tile in Rows(np.zeros((40, 10_000)), 10_000).tiles()] == [32, 8]
    mean, covariance = rows.moments()
    assert np.allclose(mean, data.mean(axis=0, dtype=float))
    assert np.allclose(covariance, np.cov(data, rowvar=False))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "no samples"),
        ([[1.0, 2, 3]], "3 features; this map takes 2"),
        ([[1.0, 2], [3.0]], "not a table of numbers"),
        ([[1.0, "a"]], "samples are <U"),
        ([[1.0, None]], "sample 0 holds nan"),
        ([[1.0, 1j]], "complex128"),
        (np.zeros((3, 2), np.longdouble), "at most 64 bits"),
        (np.zeros((3, 2, 2)), r"shape \(2, 2\)"),
        ([[0.0, 0], [1.0, np.nan]], r"sample 1 holds nan \(feature 1\)"),
        ([[0.0, 0], [-np.inf, 0]], r"sample 1 holds -inf \(feature 0\)"),
        (np.array([[1e200, 1]]), "sample 0 holds 1e"),
    ],
)
def test_rows__that_are_no_samples_are_refused(data, said):
    with pytest.raises(InputError, match=said):
        list(Rows(data, 2).tiles())


def test_rows__errors_name_the_sample_where_rows_are_drawn():
    data = np.zeros((5, 2))
    data[3, 1] = np.nan
    with pytest.raises(InputError, match="sample 3"):
        Rows(data, 2).at(np.array([1, 3, 3]))


def test_as_sample__refuses_nan():
    assert as_sample(np.array([250], np.uint8)).dtype == np.float64
    with pytest.raises(InputError, match="nan"):
        as_sample([0.0, float("nan")])
