"""Checks of a cluster before a run begins: enough workers, the same versions, the same files."""

import logging
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from dasksom.cluster import supervision
from dasksom.cluster.encryption import is_loopback
from dasksom.cluster.options import ClusterOptions
from dasksom.errors import DasksomError

_logger = logging.getLogger(__name__)

SAME_EVERYWHERE = ("dasksom", "dask", "distributed", "cloudpickle", "numpy", "numba", "zarr")
"""Packages whose versions affect whether tasks can be unpickled, and their results."""
_LISTED_WORKERS = 12
"""Maximum number of workers named in a table of versions."""


def get_ready(client: Any, options: ClusterOptions, default_wait: float) -> None:
    """Wait for workers and check that they can do the work.

    Raises
    ------
    DasksomError
    """
    wait_for_workers(client, options.minimum_workers, options.wait_seconds(default_wait))
    check_versions(client.get_versions(packages=list(SAME_EVERYWHERE)))
    log_dashboard(client)


def log_dashboard(client: Any) -> None:
    """Log the dashboard's address, if the package that serves it is installed."""
    if find_spec("bokeh") and client.dashboard_link:
        _logger.info("dashboard: %s", client.dashboard_link)


def wait_for_workers(client: Any, least: int, seconds: float) -> None:
    """Wait until a cluster has at least `least` workers, and log each minute how many there are.

    Raises
    ------
    DasksomError
        If they have not started after `seconds`.
    """
    begun = time.monotonic()
    while (count := len(client.nthreads())) < least:
        waited = time.monotonic() - begun
        if waited >= seconds:
            state = f"has {count} of {least} workers" if count else "has no worker"
            raise DasksomError(
                f"the cluster at {client.scheduler.address} {state} after {seconds:.0f} s; start more, ask for fewer "
                "(minimum_workers), or wait longer (wait)"
            )
        _logger.info("%d of %d workers are ready; waited %.0f s, at most %.0f s", count, least, waited, seconds)
        try:
            client.wait_for_workers(least, timeout=min(supervision.LOG_SECONDS, seconds - waited))
        except TimeoutError:
            continue


def check_versions(versions: dict[str, Any]) -> None:
    """Check that scheduler and workers have the versions of this process; the error lists the differences.

    Parameters
    ----------
    versions : dict
        Result of ``Client.get_versions``.

    Raises
    ------
    DasksomError
    """
    here = versions["client"]["packages"]
    machines = {"scheduler": versions["scheduler"]} | versions["workers"]
    differences: dict[str, list[str]] = {}
    for name, machine in machines.items():
        for package in ("python", *SAME_EVERYWHERE):
            ours, theirs = _version(package, here), _version(package, machine["packages"])
            if ours != theirs:
                differences.setdefault(f"  {package:<12} here {ours:<12} there {theirs:<12}", []).append(str(name))
    if not differences:
        return
    rows = [f"{line} on {_listed(names)}" for line, names in differences.items()]
    raise DasksomError(
        "the cluster has other versions than this process, so it could not run its tasks or would return other "
        "bits:\n" + "\n".join(rows) + "\nInstall the same versions on both sides."
    )


def _listed(names: list[str]) -> str:
    more = len(names) - _LISTED_WORKERS
    return ", ".join(names[:_LISTED_WORKERS]) + (f" and {more} more" if more > 0 else "")


def _version(package: str, versions: dict[str, Any]) -> str:
    version = versions.get(package)
    if version is None:
        return "missing"
    return ".".join(str(version).split(".")[:2]) if package == "python" else str(version)


def check_reads(client: Any, read: Callable[[], Any], path: str) -> None:
    """Read from an input on all workers of other machines, to detect files that only exist on this machine.

    Parameters
    ----------
    client : distributed.Client
    read : callable () -> object
        A small read; must be picklable. Its result is discarded.
    path : str
        The input's name, for messages.

    Raises
    ------
    DasksomError
        If a worker cannot read it.
    """
    remote = [worker for worker in client.nthreads() if not is_loopback(worker.split("://")[-1].rsplit(":", 1)[0])]
    if not remote or _attempt(read) is not None:  # if it cannot be read here either, the run reports it
        return
    answers = client.run(_attempt, read, workers=remote, on_error="return")
    failures = {worker: answer for worker, answer in answers.items() if answer is not None}
    if failures:
        worker, problem = next(iter(failures.items()))
        count = "it" if len(remote) == 1 else f"{len(failures)} of {len(remote)} workers"
        raise DasksomError(
            f"{path}: can be read here, but {count} cannot read it (worker {worker}: {problem}); every worker needs "
            "the same files under the same path: use a shared file system, or a store such as s3://"
        )


def _attempt(read: Callable[[], Any]) -> str | None:
    try:
        read()
    except Exception as error:  # the user needs to see any error
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return None
