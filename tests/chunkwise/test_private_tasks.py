import dask.array as da
import numpy as np
import pytest

from dasksom.chunkwise import chunk_count, reduce_chunks
from tests.chunkwise.sums import chain, random_image, tell_sums


def _read_once(block, block_id, reads):
    reads.append(block_id)
    return block


def test_map_chunks__reads_a_chunk_once_for_an_image_and_what_lies_beside_it():
    data, image = random_image()
    reads = []
    read = da.map_blocks(_read_once, image, reads=reads, meta=image._meta)
    first = da.map_blocks(np.delete, read, [1, 2], axis=2, chunks=(*image.chunks[:2], (1,)), meta=image._meta)
    shared = da.ones((37, 50, 3), chunks=(37, 50, 3))[:, :, :1].rechunk((10, 7, 1))  # one task that all chunks need
    found = reduce_chunks(first, tell_sums, chain, beside=[read[..., 1:2] * 2, read[..., 2:] > 0.5, shared])
    assert len(reads) == len(found) == chunk_count(image)
    assert sum(total for _, total, *_ in found) == pytest.approx(data[..., 0].sum())
    assert sum(total for _, _, total, *_ in found) == pytest.approx(data[..., 1].sum() * 2)
    assert sum(total for _, _, _, total, _ in found) == (data[..., 2] > 0.5).sum()
    assert sum(total for *_, total in found) == 37 * 50
