"""From a scheduler that runs to a Client that can be worked with: encrypted, with workers, all of the same versions."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from dasksom.cluster import watching
from dasksom.cluster.options import ClusterOptions
from dasksom.cluster.supervision import Terms, looked_after, quiet
from dasksom.errors import DasksomError, InputError
from dasksom.redaction import redact

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 15.0
WAIT_SECONDS = 60.0
"""How long to wait for the workers of a scheduler that somebody else started."""
SAME_EVERYWHERE = ("dasksom", "dask", "distributed", "cloudpickle", "numpy", "numba", "zarr")
"""Packages whose versions decide whether tasks can be understood, and which bits they give."""
MOST_ROWS = 12
"""Workers that a table of versions names."""


def check_encrypted(address: str, insecure: bool) -> None:
    """Refuse connections that anybody on the network could read, or use to run code.

    Raises
    ------
    InputError
        For an address of another machine without TLS, unless `insecure`.
    """
    parts = urlsplit(address)
    if "@" in parts.netloc:
        raise InputError(f"{redact(address)}: was given with a user or password, which dask's schedulers take none of")
    if insecure or parts.scheme in ("tls", "wss", "gateway", "inproc") or _is_loopback(parts.hostname or ""):
        return
    raise InputError(
        f"{redact(address)}: not encrypted, and whoever reaches a dask scheduler can run code on its workers; use "
        "tls:// (with --tls-ca-file, --tls-cert and --tls-key, or dask's own configuration), or add --insecure where "
        "you trust the network"
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def security(options: ClusterOptions) -> Any:
    """Give dask's Security for the files named, or None: then dask's own configuration decides."""
    if options.tls is None:
        return None
    from distributed.security import Security

    try:
        return Security(
            require_encryption=True,
            tls_ca_file=options.tls.ca,
            **{f"tls_{role}_cert": options.tls.cert for role in ("client", "worker", "scheduler")},
            **{f"tls_{role}_key": options.tls.key for role in ("client", "worker", "scheduler")},
        )
    except OSError as error:
        raise InputError(f"tls: {error}") from error


@contextmanager
def existing(address: str, options: ClusterOptions) -> Iterator[Any]:
    """Join a scheduler that somebody else started.

    Raises
    ------
    InputError
        If the connection would not be encrypted.
    DasksomError
        If no scheduler answers, it has too few workers, or they have other versions.
    """
    from distributed import Client

    check_encrypted(address, options.insecure)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, security=security(options))
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise DasksomError(
            f"no dask scheduler answers at {redact(address)} ({redact(' '.join(str(error).split()))}); is it running, "
            "is this the right address, and do both sides have certificates of the same authority if it is tls://?"
        ) from error
    with quiet(), client:
        get_ready(client, options, WAIT_SECONDS)
        with looked_after(client, Terms(options.wait_seconds(watching.WAIT_SECONDS))):
            yield client


def get_ready(client: Any, options: ClusterOptions, usual_wait: float) -> None:
    """Wait for workers and check that they can do the work.

    Raises
    ------
    DasksomError
    """
    wait_for_workers(client, options.minimum_workers, options.wait_seconds(usual_wait))
    check_versions(client.get_versions(packages=list(SAME_EVERYWHERE)))
    tell_dashboard(client)


def tell_dashboard(client: Any) -> None:
    """Say where a cluster can be watched, where the package for that is installed."""
    if find_spec("bokeh") and client.dashboard_link:
        logger.info("dashboard: %s", client.dashboard_link)


def wait_for_workers(client: Any, least: int, seconds: float) -> None:
    """Wait until a cluster has so many workers, and say each minute how many there are.

    Raises
    ------
    DasksomError
    """
    begun = time.monotonic()
    while (there := len(client.nthreads())) < least:
        waited = time.monotonic() - begun
        if waited >= seconds:
            have = f"has {there} of {least} workers" if there else "has no workers"
            raise DasksomError(
                f"the cluster at {client.scheduler.address} {have} after {seconds:.0f} s; start more, ask for fewer "
                "(minimum_workers), or wait longer (wait)"
            )
        logger.info("%d of %d workers are there; waited %.0f s, at most %.0f s", there, least, waited, seconds)
        try:
            client.wait_for_workers(least, timeout=min(watching.SPEAK_SECONDS, seconds - waited))
        except TimeoutError:
            continue


def check_versions(found: dict[str, Any]) -> None:
    """Refuse a scheduler or workers of other versions than this process, in a table of what differs.

    Parameters
    ----------
    found : dict
        As ``Client.get_versions`` gives it.

    Raises
    ------
    DasksomError
    """
    here = found["client"]["packages"]
    others = {"scheduler": found["scheduler"]} | found["workers"]
    lines: dict[str, list[str]] = {}
    for place, there in others.items():
        for package in ("python", *SAME_EVERYWHERE):
            wanted, has = _shown(package, here), _shown(package, there["packages"])
            if wanted != has:
                lines.setdefault(f"  {package:<12} here {wanted:<12} there {has:<12}", []).append(str(place))
    if not lines:
        return
    rows = [f"{line} on {_listed(places)}" for line, places in lines.items()]
    raise DasksomError(
        "the cluster has other versions than this process, so it could not understand its tasks or would give other "
        "bits:\n" + "\n".join(rows) + "\nInstall the same on both sides."
    )


def _listed(places: list[str]) -> str:
    more = len(places) - MOST_ROWS
    return ", ".join(places[:MOST_ROWS]) + (f" and {more} more" if more > 0 else "")


def _shown(package: str, versions: dict[str, Any]) -> str:
    version = versions.get(package)
    if version is None:
        return "missing"
    return ".".join(str(version).split(".")[:2]) if package == "python" else str(version)
