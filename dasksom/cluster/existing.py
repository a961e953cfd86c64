"""Connections to a running scheduler."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dasksom.cluster.encryption import check_certificates, check_encrypted, security_of
from dasksom.cluster.options import ClusterOptions
from dasksom.cluster.readiness import get_ready
from dasksom.cluster.supervision import LOST_WORKERS_SECONDS, SupervisionTerms, quiet, supervised
from dasksom.errors import DasksomError
from dasksom.redaction import redact

CONNECT_SECONDS = 15.0
_START_SECONDS = 60.0
"""Seconds to wait for the workers of a scheduler that dasksom did not start."""


@contextmanager
def existing_cluster(address: str, options: ClusterOptions) -> Iterator[Any]:
    """Connect to a scheduler that dasksom did not start.

    Raises
    ------
    InputError
        If the connection would not be encrypted, or certificates are missing.
    DasksomError
        If no scheduler answers, it has too few workers, or they have other versions.
    """
    check_encrypted(address, options.insecure)
    check_certificates(address, options)
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, security=security_of(options))
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise DasksomError(
            f"no dask scheduler answers at {redact(address)} ({redact(' '.join(str(error).split()))}); is it running, "
            "is this the right address, and do both sides have certificates of the same authority if it is tls://?"
        ) from error
    with quiet(), client:
        get_ready(client, options, _START_SECONDS)
        with supervised(client, SupervisionTerms(options.wait_seconds(LOST_WORKERS_SECONDS))):
            yield client
