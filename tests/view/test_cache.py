from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import numpy as np
import pytest

from dasksom.view.cache import BlockCache


def block(size):
    return (np.zeros(size, np.uint8),)


def test_blocks_are_kept_until_others_need_their_place():
    cache, made = BlockCache(100), []

    def get(name, size=40):
        return cache.get(name, lambda: made.append(name) or block(size))

    for name in "ababcb":  # c drives a out
        get(name)
    assert made == ["a", "b", "c"]
    assert cache.nbytes == 80
    get("a")
    assert made == ["a", "b", "c", "a"]
    get("huge", 1000)  # larger than all: kept alone, for its other tiles
    get("huge", 1000)
    assert made[4:] == ["huge"]
    assert cache.nbytes == 1000
    get("b")
    assert cache.nbytes == 40


def test_threads_that_ask_at_the_same_time_share_one_reading():
    cache, made, go, here = BlockCache(100), [], Event(), Barrier(4)

    def make():
        made.append(1)
        assert go.wait(20)
        return block(3)

    def ask():
        here.wait(20)
        return cache.get("a", make)

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask) for _ in range(3)]
        here.wait(20)
        go.set()
        found = [one.result(20) for one in asked]
    assert len(made) == 1
    assert all(one is found[0] for one in found)


def test_an_error_is_told_and_not_kept():
    cache = BlockCache(100)
    with pytest.raises(OSError, match="gone"):
        cache.get("a", lambda: (_ for _ in ()).throw(OSError("gone")))
    assert cache.get("a", lambda: block(2))[0].size == 2
