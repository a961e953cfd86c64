"""Options of a cluster, checked before anything starts."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dasksom.cluster.memory import machine_memory, process_memory
from dasksom.errors import InputError, nearest_name

if TYPE_CHECKING:
    from dasksom.cluster.gpus import Gpu

_MINIMUM_MEMORY = 256 << 20
"""Least memory of a worker, in bytes: Python with the libraries, one color counter and a small chunk."""
_DRIVER_MEMORY = 400 << 20
"""Memory reserved for driver and scheduler; local workers share the rest, in bytes."""
_DEFAULT_WORKER_MEMORY = 1 << 30
"""Minimum memory per local worker that limits their default number, in bytes."""
_GPU_THREADS = 4
"""Most threads of a local worker that only searches on a GPU."""
_SHELL = re.compile(r"[;&|<>`\r\n]|\$\(")
"""Shell syntax with which a job script could run other commands; $NAME is harmless."""
_SHELL_KEY = re.compile(
    "job_script_.*|env_extra|python|shebang|worker_command|submit_command_extra|job_cls"
    "|bootstrap|extra_bootstrap|docker_args|host_setup_script"
)
"""Options of cluster classes that are commands."""


@dataclass(frozen=True)
class TlsFiles:
    """Paths of PEM files: the authority, which workers and scheduler share, and this side's certificate and key."""

    ca: str
    cert: str
    key: str


@dataclass(frozen=True)
class ClusterOptions:
    """The cluster of a run, and its size if it is started for the run."""

    name: str = "auto"
    """"auto", the name of a kind, the address of a scheduler (tls://host:port), or the path of a scheduler file."""
    workers: int | None = None
    """Number of workers; for "threads", of threads. By default one per core of this machine, with at least 1 GiB (or
    `memory_limit`) per local worker; for other clusters the minimum."""
    memory_limit: str | None = None
    """Memory of each worker, such as 4GiB: enforced for local workers, used for planning otherwise. By default an equal
    share of this machine's available memory, or the limit that running workers report."""
    adapt: tuple[int, int] | None = None
    """Minimum and maximum number of workers of an adaptive cluster; replaces `workers`."""
    minimum_workers: int = 1
    """Number of workers with which the run begins."""
    wait: str | None = None
    """Time to wait for these workers, and for new ones when all are lost, such as 30min (the default, except at the
    start on a running scheduler: one minute)."""
    insecure: bool = False
    """Whether to allow unencrypted, unauthenticated connections between machines."""
    tls: TlsFiles | None = None
    """By default those of dask's configuration."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Passed to the class of a kind (`dasksom.cluster.kinds.CLUSTER_KINDS`)."""
    allow_shell: bool = False
    """Whether `options` may contain commands."""
    device: str = "cpu"
    """Where tasks search: one of ``dasksom.som.choices.DEVICES``."""
    gpus: "tuple[Gpu, ...]" = ()
    """GPUs of this machine that local workers use."""

    @property
    def count(self) -> int:
        """Number of local workers."""
        if self.workers is not None:
            return self.workers
        if self.device == "cuda" and self.gpus:
            return len(self.gpus)
        fitting = (machine_memory() - _DRIVER_MEMORY) // (self.memory_bytes or _DEFAULT_WORKER_MEMORY)
        return max(1, min(self.threads, fitting))

    @property
    def worker_threads(self) -> int:
        """Number of threads of a local worker: several read for a GPU, which one at a time uses."""
        from dask.system import CPU_COUNT

        return max(1, min(_GPU_THREADS, int(CPU_COUNT) // self.count)) if self.device == "cuda" and self.gpus else 1

    @property
    def threads(self) -> int:
        """Number of threads, if this process's threads run the tasks."""
        from dask.system import CPU_COUNT

        return self.workers or int(CPU_COUNT)

    @property
    def memory_bytes(self) -> int | None:
        """The memory limit in bytes, if there is one."""
        from dask.utils import parse_bytes

        return None if self.memory_limit is None else int(parse_bytes(self.memory_limit))

    @property
    def worker_memory(self) -> int:
        """Memory of each local worker, in bytes."""
        share = (machine_memory() - _DRIVER_MEMORY) // self.count
        return min(process_memory(), max(share, 1) if self.memory_bytes is None else self.memory_bytes)

    @property
    def threads_memory(self) -> int:
        """Memory of this process if its threads run the tasks, in bytes."""
        return min(process_memory(), self.memory_bytes or process_memory())

    def wait_seconds(self, default: float) -> float:
        """Return the time to wait for workers, in seconds."""
        from dask.utils import parse_timedelta

        if self.wait is None:
            return default
        time = re.sub(r"\s*mins?$", "m", self.wait.strip())  # dask knows m, minute and minutes
        return float(parse_timedelta(time, default="minutes"))


@dataclass(frozen=True)
class Workers:
    """The workers that run the tasks."""

    count: int
    threads: int
    """Largest number of threads of a worker."""
    memory: int
    """Smallest memory limit of a worker, in bytes; 0 if no worker has a limit."""
    gpu_memory: int = 0
    """Smallest memory of their GPUs, in bytes; 0 if they have none, or that is not known."""


def check_values(options: ClusterOptions) -> None:
    """Check that values are in range and contain no commands.

    Raises
    ------
    InputError
    """
    for name in ("workers", "minimum_workers"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise InputError(f"{name}: at least 1 is needed; got {value}")
    _check_memory(options)
    _check_scale(options)
    try:
        options.wait_seconds(0)
    except (ValueError, KeyError):
        raise InputError(f"wait {options.wait!r} is not a time; use one such as 90s or 30min") from None
    for path in () if options.tls is None else (options.tls.ca, options.tls.cert, options.tls.key):
        if not Path(path).expanduser().is_file():
            raise InputError(f"{path}: no such file; tls needs the PEM files ca, cert and key")
    if not options.allow_shell:
        _refuse_commands(options)


def _check_memory(options: ClusterOptions) -> None:
    if options.memory_limit is None:
        return
    try:
        size = options.memory_bytes or 0
    except (ValueError, OverflowError):
        raise InputError(
            f"memory limit {options.memory_limit!r} is not a size; use one such as 4GiB or 800MB"
        ) from None
    if size < _MINIMUM_MEMORY:
        raise InputError(f"memory limit {options.memory_limit}: a worker needs at least {_MINIMUM_MEMORY >> 20}MiB")


def _check_scale(options: ClusterOptions) -> None:
    if options.adapt is None:
        if options.workers is not None and options.workers < options.minimum_workers:
            raise InputError(f"minimum_workers {options.minimum_workers}: more than the workers, {options.workers}")
        return
    least, most = options.adapt
    if options.workers is not None:
        raise InputError("workers and adapt: a cluster has a fixed size or grows and shrinks; give one of them")
    if not 0 <= least <= most or most < options.minimum_workers:
        raise InputError(
            f"adapt {least} to {most}: the fewest are at least 0 and at most the most, "
            f"which are at least minimum_workers, {options.minimum_workers}"
        )


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield path, str(key)
            yield from _strings(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item, path)


def _refuse_commands(options: ClusterOptions) -> None:
    for path, text in _strings(options.options, "options"):
        key = path.split(".")[1] if "." in path else ""
        key = text if path == "options" else key
        if _SHELL_KEY.fullmatch(key) or _SHELL.search(text) or "--preload" in text or "LD_PRELOAD" in text:
            setting = f"options.{key}" if path == "options" else path
            raise InputError(
                f"cluster.{setting}: runs commands on the cluster's machines; a "
                "configuration is data unless you add --allow-shell (do so only for files that you trust)"
            )


def check_name(name: str, kinds: list[str]) -> None:
    """Check that a name is a kind of cluster, an address, or a scheduler file.

    Raises
    ------
    InputError
    """
    if name == "auto" or name in kinds or "://" in name:
        return
    path = Path(name).expanduser()
    if not path.is_file():
        raise InputError(
            f"cluster {name!r} is not known; it is one of {', '.join(['auto', *kinds])}, an address such as "
            f"tls://host:8786, or a scheduler file that exists{nearest_name(name, kinds)}"
        )
    scheduler_address(path)


def scheduler_address(path: Path) -> str:
    """Return the address in a scheduler file."""
    try:
        return str(json.loads(path.read_text())["address"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(
            f"{path}: not a scheduler file as `dask scheduler --scheduler-file` writes it ({error})"
        ) from error
