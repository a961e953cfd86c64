import numpy as np
import pytest

from dasksom.som.counted_colors import counts as color_counts
from dasksom.som.counted_colors.cells import colors_from_numbers, type_of


@pytest.mark.parametrize("few", [0, color_counts.FEW], ids=["counters", "sorting"])
@pytest.mark.parametrize("bands", [1, 2, 3])
def test_count_colors__equals_unique(photograph, bands, few, monkeypatch):
    monkeypatch.setattr(color_counts, "FEW", few)
    samples = np.ascontiguousarray(photograph.reshape(-1, 3)[:, :bands])
    for _ in range(2):  # the second time with the counter that the first left behind
        numbers, counts = color_counts.count_colors(samples)
        expected, times = np.unique(samples, axis=0, return_counts=True)
        order = np.lexsort(colors_from_numbers(numbers, type_of(samples)).T[::-1])
        assert np.array_equal(colors_from_numbers(numbers, type_of(samples))[order], expected)
        assert np.array_equal(counts[order], times)
        assert (np.diff(numbers.astype(np.int64)) > 0).all()


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_merge_counts__any_sharing_gives_the_same(photograph, bands):
    samples = np.ascontiguousarray(photograph.reshape(-1, 3)[:, :bands])
    whole = color_counts.count_colors(samples)
    parts = [color_counts.count_colors(part) for part in np.array_split(samples, [1, 1000, 200_000])]
    nested = color_counts.merge_counts([color_counts.merge_counts(parts[:2], 256**bands), *parts[2:]], 256**bands)
    for got in (color_counts.merge_counts(parts, 256**bands), nested):
        assert np.array_equal(got[0], whole[0])
        assert np.array_equal(got[1], whole[1])
        assert got[1].dtype == np.int64


def test_merge_counts__counts_beyond_32_bits():
    numbers = np.array([7], np.uint32)
    _, counts = color_counts.merge_counts([(numbers, np.array([2**32 - 1])), (numbers, np.array([2**32 - 1]))], 2**24)
    assert counts.tolist() == [2**33 - 2]


def test_merge_counts__more_lists_than_are_merged_together(photograph):
    samples = photograph.reshape(-1, 3)
    whole = color_counts.count_colors(samples)
    merged = color_counts.merge_counts([color_counts.count_colors(part) for part in np.array_split(samples, 50)], 2**24)
    assert np.array_equal(merged[0], whole[0])
    assert np.array_equal(merged[1], whole[1])


@pytest.mark.parametrize("few", [0, color_counts.FEW], ids=["counters", "sorting"])
@pytest.mark.parametrize("repeats", [(1 << 16) - 1, 1 << 16, (1 << 16) + 1, 3 << 16, 200_001])
def test_count_colors__beyond_16_bits(few, repeats, monkeypatch):
    monkeypatch.setattr(color_counts, "FEW", few)
    samples = np.repeat(np.array([[9, 9, 9], [200, 3, 77], [0, 0, 0]], np.uint8), [repeats, 5, 1], axis=0)
    numbers, counts = color_counts.count_colors(samples)
    found = dict(zip(map(tuple, colors_from_numbers(numbers, type_of(samples)).tolist()), counts.tolist(), strict=True))
    assert found == {(9, 9, 9): repeats, (200, 3, 77): 5, (0, 0, 0): 1}
    assert (np.diff(numbers.astype(np.int64)) > 0).all()


def test_count_colors__an_interrupted_count_does_not_reach_the_next(monkeypatch):
    monkeypatch.setattr(color_counts, "FEW", 0)
    first, second = np.full((1000, 3), 7, np.uint8), np.full((500, 3), 9, np.uint8)

    def interrupted(counts, *rest):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(color_counts, "_drain", interrupted)
        with pytest.raises(KeyboardInterrupt):
            color_counts.count_colors(first)
    numbers, counts = color_counts.count_colors(second)
    assert colors_from_numbers(numbers, type_of(second)).tolist() == [[9, 9, 9]]
    assert counts.tolist() == [500]
