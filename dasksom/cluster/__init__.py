"""Start or connect to a cluster by name, and supervise it during a run; `dasksom.cluster.kinds` lists the names.

Public names are imported on first use.
"""

from typing import TYPE_CHECKING

from dasksom.deferred import names_on_use

if TYPE_CHECKING:
    from dasksom.cluster.connection import check_options, connect, expected_workers, take_role, thread_pool_memory
    from dasksom.cluster.death_blame import TASK_ANNOTATIONS
    from dasksom.cluster.kinds import ALLOCATIONS, CLUSTER_KINDS, CLUSTERS
    from dasksom.cluster.memory import machine_memory, process_memory
    from dasksom.cluster.options import ClusterOptions, TlsFiles, Workers
    from dasksom.cluster.readiness import check_reads
    from dasksom.cluster.requested import job_script
    from dasksom.cluster.supervision import Supervisor, check_usable, is_connected
    from dasksom.cluster.task_counts import count_tasks, report_retries

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

__getattr__ = names_on_use(
    __name__,
    {
        "dasksom.cluster.connection": "check_options connect expected_workers take_role thread_pool_memory",
        "dasksom.cluster.death_blame": "TASK_ANNOTATIONS",
        "dasksom.cluster.kinds": "ALLOCATIONS CLUSTERS CLUSTER_KINDS",
        "dasksom.cluster.memory": "machine_memory process_memory",
        "dasksom.cluster.options": "ClusterOptions TlsFiles Workers",
        "dasksom.cluster.readiness": "check_reads",
        "dasksom.cluster.requested": "job_script",
        "dasksom.cluster.supervision": "Supervisor check_usable is_connected",
        "dasksom.cluster.task_counts": "count_tasks report_retries",
    },
)
