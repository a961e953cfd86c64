"""Memory available to processes on this machine: the minimum of machine, cgroup, batch system and ulimit limits.

`distributed.system.MEMORY_LIMIT` reads only the root cgroup, which is correct in containers. Batch systems and systemd
use nested cgroups, and ``ulimit -v`` is not considered.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_PROC = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")
_CGROUP_FILES = ("memory.max", "memory.high", "memory.limit_in_bytes")
"""Limit files of cgroups v2 and v1; without a limit they hold "max", or a number larger than any memory."""


def machine_memory() -> int:
    """Return the bytes that all processes of a run on this machine may use together."""
    import psutil

    limits = [int(psutil.virtual_memory().total), *_cgroup_limits(_PROC, _MOUNT), *_slurm_limits(os.environ)]
    return min(limits)


def process_memory() -> int:
    """Return the bytes that one process may use: `machine_memory`, reduced by ``ulimit -v`` and ``ulimit -d``."""
    return min([machine_memory(), *_process_limits()])


def _cgroup_limits(proc: Path, mount: Path) -> Iterator[int]:
    """Yield the limits of this process's cgroup and all its ancestors."""
    try:
        lines = proc.read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        roots = [mount / "memory"] if controllers else [mount, mount / "unified"]
        for root in roots:
            # in a container, the name may start with the host's groups while the root is the container's group
            parts = name.strip("/").split("/")
            inside = (parts[start:] for start in range(len(parts)) if (root / parts[start]).is_dir())
            group = root.joinpath(*next(inside, []))
            for folder in (group, *group.parents):
                yield from _limits_in(folder)
                if folder == root:
                    break


def _limits_in(folder: Path) -> Iterator[int]:
    for name in _CGROUP_FILES:
        try:
            limit = int((folder / name).read_text())
        except (OSError, ValueError):  # no such file, or no limit
            continue
        if limit > 0:
            yield limit


def _slurm_limits(environment: Mapping[str, str]) -> Iterator[int]:
    """Yield what Slurm has allocated on this node, in a job; its variables are in MB, and 0 means all of the node."""
    if "SLURM_JOB_ID" not in environment:
        return

    def number(name: str) -> int:
        value = environment.get(name, "")
        return int(value) if value.isascii() and value.isdigit() else 0

    for megabytes in (
        number("SLURM_MEM_PER_NODE"),
        number("SLURM_MEM_PER_CPU") * number("SLURM_CPUS_ON_NODE"),
    ):
        if megabytes:
            yield megabytes << 20


def _process_limits() -> Iterator[int]:
    try:
        import resource
    except ImportError:  # Windows
        return
    import psutil

    usage = psutil.Process().memory_info()
    # both limits include reserved but unused address space, such as thread stacks
    unused = max(0, int(usage.vms) - int(usage.rss))
    for kind, reserved in ((resource.RLIMIT_AS, unused), (resource.RLIMIT_DATA, 0)):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            yield max(1, soft - reserved)
