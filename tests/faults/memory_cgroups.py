"""Groups of processes whose memory the kernel limits, as containers and batch systems have them (cgroups 1, root)."""

import os
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

CGROUPS = Path("/sys/fs/cgroup/memory")


@contextmanager
def memory_cgroup(megabytes):
    """Make a group of processes whose memory the kernel limits; skip the test where that is not allowed."""
    folder = CGROUPS / f"dasksom-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(megabytes << 20))
    except OSError as error:
        pytest.skip(f"NO MEMORY CGROUP HERE, so no memory is limited: {error}")
    try:
        yield folder
    finally:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                folder.rmdir()
                break
            except OSError:  # its processes have not ended
                time.sleep(0.1)


def kills_in(folder):
    """Return how many processes of a group the kernel has killed because its memory was used up."""
    control = dict(line.split() for line in (folder / "memory.oom_control").read_text().splitlines())
    return int(control["oom_kill"])
