"""Clusters that are asked for: batch systems, Kubernetes, gateways and clouds. A kind is one line of ``KINDS``."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import dask

from dasksom.cluster import watching
from dasksom.cluster.existing import check_encrypted, get_ready, security
from dasksom.cluster.this_machine import LOOPBACK
from dasksom.cluster.options import ClusterOptions, TlsFiles
from dasksom.cluster.supervision import Terms, looked_after, quiet
from dasksom.errors import DasksomError, InputError
from dasksom.redaction import HIDDEN, redact, secrets_in

WAIT_SECONDS = 1800.0
"""How long to wait for the workers of a cluster that was asked for."""
TTL_SECONDS = 60.0
"""How long a worker may say nothing before it counts as hung; networks have their bad moments."""


class Kind(NamedTuple):
    """Where the class of a kind of cluster is."""

    module: str
    name: str
    extra: str
    """Extra of dasksom that brings it, or the distribution's own name."""
    submits_by: str | None = None
    """Command of a batch system, for the kinds of dask-jobqueue."""

    @property
    def is_batch(self) -> bool:
        """Whether workers are jobs of a batch system."""
        return self.module.startswith("dask_jobqueue")


KINDS: dict[str, Kind] = {
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
"""The only classes that a configuration can name; local-jobs runs a batch system's scripts on this machine."""


def load_class(kind: Kind) -> Any:
    """Import the class of a kind.

    Raises
    ------
    InputError
        If its package is not installed; the message names the extra.
    """
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        return getattr(import_module(kind.module), kind.name)
    except ImportError as error:
        raise InputError(
            f"{kind.name} cannot be imported ({' '.join(str(error).split())[:200]}); "
            f"install it: python -m pip install 'dasksom[{kind.extra}]'"
        ) from error
    finally:
        # dask-jobqueue lets Ctrl-C end the process with success from here on
        if interrupt is not None and signal.getsignal(signal.SIGINT) is not interrupt:
            signal.signal(signal.SIGINT, interrupt)


@contextmanager
def start(options: ClusterOptions) -> Iterator[Any]:
    """Ask for a cluster, wait for its workers, and stop it at the end.

    Raises
    ------
    InputError
        If the class takes no such options, its package is missing, or the connection would not be encrypted.
    DasksomError
        If the cluster cannot be started, or its workers do not come.
    """
    from distributed import Client

    kind = KINDS[options.name]
    if kind.submits_by and not shutil.which(kind.submits_by):
        raise InputError(
            f"cluster {options.name}: the command {kind.submits_by} is not here; run this where jobs are submitted "
            "from, such as a login node"
        )
    with quiet(), ExitStack() as stack:
        cluster = stack.enter_context(_make(options, stack))
        wanted = 0
        if options.adapt is not None:
            cluster.adapt(minimum=options.adapt[0], maximum=options.adapt[1])
        elif options.workers is not None or "n_workers" not in options.options:
            wanted = options.workers or options.minimum_workers
            cluster.scale(wanted)
        check_encrypted(cluster.scheduler_address, options.insecure)
        try:
            client = stack.enter_context(Client(cluster))
        except (OSError, TimeoutError) as error:
            raise DasksomError(
                f"cluster {options.name} was started, and its scheduler cannot be reached from here: {error}"
            ) from error
        get_ready(client, options, WAIT_SECONDS)
        terms = Terms(options.wait_seconds(watching.WAIT_SECONDS), ours=True, workers=wanted)
        yield stack.enter_context(looked_after(client, terms, ttl=TTL_SECONDS))


def job_script(options: ClusterOptions) -> str:
    """Give the script that a batch system would get for one job; nothing is submitted.

    Raises
    ------
    InputError
        If the kind has no job scripts, or its options cannot be used.
    """
    kind = KINDS.get(options.name)
    if kind is None or not kind.is_batch:
        batch = ", ".join(name for name, one in KINDS.items() if one.is_batch)
        raise InputError(f"cluster {options.name!r} has no job scripts; those that do are {batch}")
    with ExitStack() as stack, _make(options, stack) as cluster:
        return str(cluster.job_script())


def _make(options: ClusterOptions, stack: ExitStack) -> Any:
    kind = KINDS[options.name]
    make = load_class(kind)
    given = _batch_options(options, stack) if kind.is_batch else dict(options.options)
    given |= {} if options.tls is None else {"security": security(options)}
    try:
        return make(**given)
    except (TypeError, ValueError) as error:
        raise InputError(f"cluster {options.name}: {_told(error, options)}") from _cause(error, options)
    except Exception as error:  # whatever a cloud's library says when it cannot start one
        raise DasksomError(
            f"cluster {options.name} cannot be started: {type(error).__name__}: {_told(error, options)}"
        ) from _cause(error, options)


def _told(error: Exception, options: ClusterOptions) -> str:
    """Return what a library says, without the secrets among the options that it may quote."""
    text = redact(" ".join(str(error).split()))
    for secret in sorted(secrets_in(options.options), key=len, reverse=True):
        text = text.replace(secret, HIDDEN) if secret else text
    return text


def _cause(error: Exception, options: ClusterOptions) -> Exception | None:
    return None if secrets_in(options.options) else error


def _batch_options(options: ClusterOptions, stack: ExitStack) -> dict[str, Any]:
    """Add encryption and a private dashboard to a batch cluster's options, where the user has not said otherwise."""
    section = "local" if options.name == "local-jobs" else options.name
    own = options.options.get("scheduler_options") or dask.config.get(f"jobqueue.{section}.scheduler-options", {}) or {}
    # the dashboard has no password: it is for whoever has a tunnel to this machine
    given = {**options.options, "scheduler_options": {"dashboard_address": f"{LOOPBACK}:0", **own}}
    if options.insecure or options.tls is not None or "security" in given or "protocol" in given:
        return given
    shared = given.get("shared_temp_directory") or dask.config.get(f"jobqueue.{section}.shared-temp-directory", None)
    return given | {"security": _new_security(stack, shared)}


def _new_security(stack: ExitStack, shared: str | None) -> Any:
    """Make certificates for one run, in a folder that only its user can read and that is gone afterwards.

    Workers on other machines read them there: in the home directory, unless another shared one is named.
    """
    from distributed.security import Security

    try:
        made = Security.temporary()
    except ImportError as error:
        raise InputError(
            "encryption needs the package cryptography: python -m pip install 'dasksom[hpc]', or add --insecure"
        ) from error
    place = Path.home() if shared is None else Path(os.path.expandvars(shared)).expanduser()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".dasksom-keys-", dir=place)))
    files = {}
    for name in ("ca_file", "cert", "key"):
        files[name] = str(folder / f"{name}.pem")
        Path(files[name]).touch(mode=0o600)
        Path(files[name]).write_text(made.tls_ca_file if name == "ca_file" else getattr(made, f"tls_worker_{name}"))
    return security(ClusterOptions(tls=TlsFiles(files["ca_file"], files["cert"], files["key"])))
