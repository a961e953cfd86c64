"""The kinds of cluster by name; to add one, add its line.

A line of ``CLUSTER_KINDS`` suffices where a class of dask starts the cluster. For others, write a function of
`ClusterOptions` that returns a context manager, and add its line to ``CLUSTERS`` or, if all processes of an allocation
run the command, to ``ALLOCATIONS``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from dasksom.deferred import deferred

if TYPE_CHECKING:
    from dasksom.cluster.options import ClusterOptions


class Kind(NamedTuple):
    """The class that starts a kind of cluster."""

    module: str
    name: str
    extra: str
    """Extra of dasksom that installs it."""
    submits_by: str | None = None
    """Command of a batch system, for the kinds of dask-jobqueue."""

    @property
    def is_batch(self) -> bool:
        """Whether workers are jobs of a batch system."""
        return self.module.startswith("dask_jobqueue")


CLUSTER_KINDS: dict[str, Kind] = {
    "slurm": Kind("dask_jobqueue", "SLURMCluster", "hpc", "sbatch"),
    "pbs": Kind("dask_jobqueue", "PBSCluster", "hpc", "qsub"),
    "lsf": Kind("dask_jobqueue", "LSFCluster", "hpc", "bsub"),
    "sge": Kind("dask_jobqueue", "SGECluster", "hpc", "qsub"),
    "htcondor": Kind("dask_jobqueue", "HTCondorCluster", "hpc", "condor_submit"),
    "local-jobs": Kind("dask_jobqueue.local", "LocalCluster", "hpc"),
    "kubernetes": Kind("dask_kubernetes.operator", "KubeCluster", "kubernetes"),
    "gateway": Kind("dask_gateway", "GatewayCluster", "gateway"),
    "coiled": Kind("coiled", "Cluster", "coiled"),
    "fargate": Kind("dask_cloudprovider.aws", "FargateCluster", "aws"),
    "ecs": Kind("dask_cloudprovider.aws", "ECSCluster", "aws"),
    "ec2": Kind("dask_cloudprovider.aws", "EC2Cluster", "aws"),
    "azure": Kind("dask_cloudprovider.azure", "AzureVMCluster", "azure"),
    "gcp": Kind("dask_cloudprovider.gcp", "GCPCluster", "gcp"),
    "openstack": Kind("dask_cloudprovider.openstack", "OpenStackCluster", "openstack"),
}
"""Batch systems, Kubernetes, gateways and clouds: the only classes that a configuration can name; local-jobs runs a
batch system's scripts on this machine."""

CLUSTERS: dict[str, Callable[[ClusterOptions], AbstractContextManager[Any]]] = {
    "threads": deferred("dasksom.cluster.connection:thread_pool"),
    "local": deferred("dasksom.cluster.this_machine:local_cluster"),
    **dict.fromkeys(CLUSTER_KINDS, deferred("dasksom.cluster.requested:requested_cluster")),
}
"""Kinds of cluster that are started for a run."""

ALLOCATIONS: dict[str, Callable[[ClusterOptions], AbstractContextManager[ClusterOptions]]] = {
    "slurm-allocation": deferred("dasksom.cluster.allocation:slurm_allocation"),
    "mpi": deferred("dasksom.cluster.allocation:mpi_allocation"),
}
"""Kinds of allocation, whose processes all run the command."""
