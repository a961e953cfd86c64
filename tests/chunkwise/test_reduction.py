import dask
import pytest

from dasksom.chunkwise import ThrottledKeeper, reduce_chunks
from tests.chunkwise.sums import random_image


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


class _Records(dict):
    """A keeper in memory."""

    def load(self, name):
        return self.get(name)

    def save(self, name, value):
        self[name] = value


@pytest.mark.parametrize("is_due", [True, False])  # a record of each window, or only when the pass is interrupted
def test_a_pass_that_was_cut_off_goes_on_after_the_last_window(monkeypatch, is_due):
    monkeypatch.setattr(ThrottledKeeper, "is_due", is_due)
    _, image = random_image((200, 200, 3), (9, 11, 3))
    keeper, calls = _Records(), []

    def stop(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    def count(block, corner):
        calls.append(corner)
        return _sum(block, corner)

    with pytest.raises(KeyboardInterrupt):
        reduce_chunks(image, count, sum, keeper=keeper, progress=stop)
    before = len(calls)
    assert reduce_chunks(image, count, sum, keeper=keeper) == reduce_chunks(image, _sum, sum)
    chunks = image.npartitions
    assert chunks < len(calls) < chunks + before  # one window had not been added when it was stopped
    calls.clear()
    other = reduce_chunks(image + 1, count, sum, keeper=keeper)
    assert (len(calls), other) == (chunks, reduce_chunks(image + 1, _sum, sum))
