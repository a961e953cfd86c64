import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dasksom.chunkwise.chunk_grid import grid_index, windows


@given(numblocks=st.lists(st.integers(1, 9), min_size=1, max_size=4), most=st.integers(1, 40))
def test_windows__cover_each_chunk_once_in_row_major_order(numblocks, most):
    parts = windows(int(np.prod(numblocks)), most)
    found = [grid_index(number, numblocks) for part in parts for number in part]
    assert found == list(np.ndindex(*numblocks))
    assert all(len(part) <= most for part in parts)
