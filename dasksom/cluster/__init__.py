"""Start or connect to a cluster by name, and supervise it during a run.

To add a kind of cluster: add its line to ``CLUSTER_KINDS`` (`dasksom.cluster.kinds`). If no dask class starts it, write
its function of `ClusterOptions` (a context manager) and add its line to ``CLUSTERS``.
"""

from dasksom.cluster.allocation import ALLOCATIONS, take_role
from dasksom.cluster.connection import CLUSTERS, check_options, connect, expected_workers
from dasksom.cluster.death_blame import TASK_ANNOTATIONS
from dasksom.cluster.kinds import CLUSTER_KINDS, job_script
from dasksom.cluster.memory import machine_memory, process_memory
from dasksom.cluster.options import ClusterOptions, TlsFiles, Workers
from dasksom.cluster.readiness import check_reads
from dasksom.cluster.supervision import Supervisor, check_usable, is_connected
from dasksom.cluster.task_counts import count_tasks, report_retries
from dasksom.cluster.this_machine import thread_pool_memory

__all__ = [
    "ALLOCATIONS",
    "CLUSTERS",
    "CLUSTER_KINDS",
    "TASK_ANNOTATIONS",
    "ClusterOptions",
    "Supervisor",
    "TlsFiles",
    "Workers",
    "check_options",
    "check_reads",
    "check_usable",
    "connect",
    "count_tasks",
    "expected_workers",
    "is_connected",
    "job_script",
    "machine_memory",
    "process_memory",
    "report_retries",
    "take_role",
    "thread_pool_memory",
]
