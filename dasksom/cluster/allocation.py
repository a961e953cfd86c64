"""Runs inside one allocation of a batch system: all processes run the same command, and each takes a role.

`srun --ntasks N dasksom ... --cluster slurm-allocation` (dask-jobqueue's SLURMRunner) or `mpirun -n N dasksom ...
--cluster mpi` (dask-mpi): the first process becomes the scheduler, the second executes the run, and the others become
workers and end with it.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from dasksom.cluster.encryption import LOOPBACK, security_of
from dasksom.cluster.kinds import Kind
from dasksom.cluster.options import ClusterOptions
from dasksom.cluster.requested import load_class
from dasksom.errors import InputError

_LEAST_PROCESSES = 3
"""Minimum number of processes: scheduler, client and one worker."""


def _worker_options(options: ClusterOptions) -> dict[str, Any]:
    limit = {} if options.memory_limit is None else {"memory_limit": options.memory_bytes}
    return {"nthreads": 1, **limit, **options.options}


@contextmanager
def slurm_allocation(options: ClusterOptions) -> Iterator[ClusterOptions]:
    """Take this process's role among the tasks of a Slurm job."""
    runner_class = load_class(Kind("dask_jobqueue.slurm", "SLURMRunner", "hpc"))
    try:
        processes = int(os.environ["SLURM_NTASKS"])
        os.environ["SLURM_PROCID"], os.environ["SLURM_JOB_ID"]
    except (KeyError, ValueError):
        raise InputError(
            "cluster slurm-allocation: this is not a task of a Slurm job; start it with srun, inside a job"
        ) from None
    _check_processes(processes)
    secure = {} if options.tls is None else {"security": security_of(options)}
    interrupt = signal.getsignal(signal.SIGINT)
    # processes other than the client end inside the runner, by sending themselves SIGINT
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    runner = runner_class(
        scheduler_options={"dashboard_address": f"{LOOPBACK}:0", **({"protocol": "tls", **secure} if secure else {})},
        worker_options={**_worker_options(options), **secure},
    )
    signal.signal(signal.SIGINT, interrupt)
    try:
        with runner:
            yield replace(
                options,
                name=os.fspath(runner.scheduler_file),
                minimum_workers=max(options.minimum_workers, processes - 2),
                options={},
            )
    finally:  # the next run in the same job must not connect to this scheduler
        runner.scheduler_file.unlink(missing_ok=True)


@contextmanager
def mpi_allocation(options: ClusterOptions) -> Iterator[ClusterOptions]:
    """Take this process's role among the ranks of MPI."""
    import dask

    initialize = load_class(Kind("dask_mpi", "initialize", "mpi"))
    processes = int(load_class(Kind("mpi4py.MPI", "COMM_WORLD", "mpi")).Get_size())
    _check_processes(processes)
    if options.tls is not None:
        raise InputError("cluster mpi: dask-mpi has no TLS; use slurm-allocation, or leave tls out and add --insecure")
    settings = _worker_options(options)
    initialize(
        nthreads=settings.pop("nthreads"),
        memory_limit=settings.pop("memory_limit", "auto"),
        dashboard_address=f"{LOOPBACK}:0",
        worker_options=settings,
    )
    least = max(options.minimum_workers, processes - 2)
    yield replace(options, name=dask.config.get("scheduler-address"), minimum_workers=least, options={})


def _check_processes(processes: int) -> None:
    if processes < _LEAST_PROCESSES:
        raise InputError(
            f"an allocation of {processes} processes: at least {_LEAST_PROCESSES} are needed, for the scheduler, the "
            "run and one worker; ask for more tasks"
        )
