import dask
import pytest

from dasksom.passes import reduce_chunks
from tests.passes.records import random_image


def test_float_sums_have_the_same_bits_on_any_scheduler(client):
    data, image = random_image((200, 200, 3), (9, 11, 3))

    def total():
        return reduce_chunks(image, _sum, sum)

    on_cluster = total()
    with dask.config.set(scheduler="sync"):
        assert total() == on_cluster
    with dask.config.set(scheduler="threads", num_workers=4):
        assert total() == on_cluster
    assert on_cluster == pytest.approx(data.sum())


def _sum(block, corner):
    return float(block.sum())
