"""Clusters started on request by the classes of ``CLUSTER_KINDS``."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

from dasksom.cluster.encryption import LOOPBACK, check_encrypted, security_of, temporary_security
from dasksom.cluster.kinds import CLUSTER_KINDS, Kind
from dasksom.cluster.options import ClusterOptions
from dasksom.cluster.readiness import get_ready
from dasksom.cluster.supervision import LOST_WORKERS_SECONDS, SupervisionTerms, quiet, supervised
from dasksom.errors import DasksomError, InputError
from dasksom.redaction import HIDDEN, redact, secrets_in

_START_SECONDS = 1800.0
"""Seconds to wait for the workers of a new cluster."""
_TTL_SECONDS = 60.0
"""Seconds of silence after which a worker is restarted; tolerates short network failures."""


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
        # importing dask-jobqueue makes Ctrl-C end the process with success
        if interrupt is not None and signal.getsignal(signal.SIGINT) is not interrupt:
            signal.signal(signal.SIGINT, interrupt)


@contextmanager
def requested_cluster(options: ClusterOptions) -> Iterator[Any]:
    """Request a cluster, wait for its workers, and stop it at the end.

    Raises
    ------
    InputError
        If the class rejects the options, its package is missing, or the connection would not be encrypted.
    DasksomError
        If the cluster or its workers do not start.
    """
    from distributed import Client

    kind = CLUSTER_KINDS[options.name]
    if kind.submits_by and not shutil.which(kind.submits_by):
        raise InputError(
            f"cluster {options.name}: the command {kind.submits_by} is not on this machine; run this where jobs are "
            "submitted, such as a login node"
        )
    with quiet(), ExitStack() as stack:
        cluster = stack.enter_context(_create(options, stack))
        workers = 0
        if options.adapt is not None:
            cluster.adapt(minimum=options.adapt[0], maximum=options.adapt[1])
        elif options.workers is not None or "n_workers" not in options.options:
            workers = options.workers or options.minimum_workers
            cluster.scale(workers)
        check_encrypted(cluster.scheduler_address, options.insecure)
        try:
            client = stack.enter_context(Client(cluster))
        except (OSError, TimeoutError) as error:
            raise DasksomError(
                f"cluster {options.name} was started, but its scheduler cannot be reached from here: {error}"
            ) from error
        get_ready(client, options, _START_SECONDS)
        terms = SupervisionTerms(options.wait_seconds(LOST_WORKERS_SECONDS), owned=True, workers=workers)
        yield stack.enter_context(supervised(client, terms, ttl=_TTL_SECONDS))


def job_script(options: ClusterOptions) -> str:
    """Return the script that would be submitted to a batch system for one job; nothing is submitted.

    Raises
    ------
    InputError
        If the kind has no job scripts, or its options cannot be used.
    """
    kind = CLUSTER_KINDS.get(options.name)
    if kind is None or not kind.is_batch:
        batch = ", ".join(name for name, kind in CLUSTER_KINDS.items() if kind.is_batch)
        raise InputError(f"cluster {options.name!r} has no job scripts; these do: {batch}")
    with ExitStack() as stack, _create(options, stack) as cluster:
        return str(cluster.job_script())


def _create(options: ClusterOptions, stack: ExitStack) -> Any:
    kind = CLUSTER_KINDS[options.name]
    cluster_class = load_class(kind)
    given = _batch_options(options, stack) if kind.is_batch else dict(options.options)
    given |= {} if options.tls is None else {"security": security_of(options)}
    try:
        return cluster_class(**given)
    except (TypeError, ValueError) as error:
        raise InputError(f"cluster {options.name}: {_redacted(error, options)}") from _cause(error, options)
    except Exception as error:  # cloud libraries may raise anything
        raise DasksomError(
            f"cluster {options.name} cannot be started: {type(error).__name__}: {_redacted(error, options)}"
        ) from _cause(error, options)


def _redacted(error: Exception, options: ClusterOptions) -> str:
    """Return an error's message with the secrets of the options removed."""
    text = " ".join(str(error).split())
    for secret in sorted(secrets_in(options.options), key=len, reverse=True):
        text = text.replace(secret, HIDDEN) if secret else text
    return redact(text)


def _cause(error: Exception, options: ClusterOptions) -> Exception | None:
    return None if secrets_in(options.options) else error


def _batch_options(options: ClusterOptions, stack: ExitStack) -> dict[str, Any]:
    """Add encryption and a private dashboard to a batch cluster's options, unless the user has chosen otherwise."""
    import dask

    section = "local" if options.name == "local-jobs" else options.name
    own = options.options.get("scheduler_options") or dask.config.get(f"jobqueue.{section}.scheduler-options", {}) or {}
    # the dashboard has no password: it is only for users with a tunnel to this machine
    given = {**options.options, "scheduler_options": {"dashboard_address": f"{LOOPBACK}:0", **own}}
    if options.insecure or options.tls is not None or "security" in given or "protocol" in given:
        return given
    shared = given.get("shared_temp_directory") or dask.config.get(f"jobqueue.{section}.shared-temp-directory", None)
    return given | {"security": temporary_security(stack, shared)}
