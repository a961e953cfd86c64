import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dasksom.chunkwise.chunk_grid import windows


@given(numblocks=st.lists(st.integers(1, 9), min_size=1, max_size=4), most=st.integers(1, 40))
def test_windows__cover_each_chunk_once_in_row_major_order(numblocks, most):
    grid = np.arange(np.prod(numblocks)).reshape(numblocks)
    boxes = [grid[box].ravel() for box in windows(numblocks, most)]
    assert np.concatenate(boxes).tolist() == list(range(grid.size))
    assert all(len(box) <= most for box in boxes)
