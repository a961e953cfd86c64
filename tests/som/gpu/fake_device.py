"""An array module like CuPy whose device is this machine's memory: NumPy, with a limit of each allocation from it."""

from types import SimpleNamespace

import numpy as np


class OutOfMemoryError(MemoryError):
    """As that of CuPy."""


class FakeDevice:
    """NumPy with the memory functions of CuPy; arrays of more than `most` values cannot be sent to it."""

    def __init__(self, most=1 << 62, free=1 << 40):
        self.most, self.freed = most, 0
        pool = SimpleNamespace(free_bytes=lambda: 0, free_all_blocks=self._count_free)
        self.get_default_memory_pool = lambda: pool
        self.cuda = SimpleNamespace(
            Device=lambda: SimpleNamespace(mem_info=(free, 1 << 40)),
            runtime=SimpleNamespace(getDeviceCount=lambda: 1),
        )

    def _count_free(self):
        self.freed += 1

    def __getattr__(self, name):
        return getattr(np, name)

    def asarray(self, values):
        if np.size(values) > self.most:
            raise OutOfMemoryError("Out of memory allocating 1,024 bytes")
        return np.array(values)
