"""Encryption of connections to a cluster: checks, certificates, dask's ``Security``."""

import os
import tempfile
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dasksom.cluster.options import ClusterOptions, TlsFiles
from dasksom.errors import InputError
from dasksom.redaction import redact

LOOPBACK = "127.0.0.1"
_ENCRYPTED = ("tls", "wss", "gateway", "inproc")


def check_encrypted(address: str, insecure: bool) -> None:
    """Reject connections that anyone on the network could read or use to run code.

    Raises
    ------
    InputError
        For an address of another machine without TLS, unless `insecure`.
    """
    parts = urlsplit(address)
    if "@" in parts.netloc:
        raise InputError(f"{redact(address)}: has a user or password, which dask schedulers do not accept; remove it")
    if insecure or parts.scheme in _ENCRYPTED or is_loopback(parts.hostname or ""):
        return
    raise InputError(
        f"{redact(address)}: not encrypted, and anyone who reaches a dask scheduler can run code on its workers; use "
        "tls:// (with --tls-ca-file, --tls-cert and --tls-key, or dask's own configuration), or add --insecure where "
        "you trust the network"
    )


def check_certificates(address: str, options: ClusterOptions) -> None:
    """Check that the options or dask's configuration name the certificates of a tls:// address.

    Raises
    ------
    InputError
    """
    import dask

    if urlsplit(address).scheme not in ("tls", "wss") or options.tls is not None:
        return
    named = {
        option: dask.config.get(f"distributed.comm.tls.{key}", None)
        for option, key in {
            "--tls-ca-file": "ca-file",
            "--tls-cert": "client.cert",
            "--tls-key": "client.key",
        }.items()
    }
    if not named["--tls-ca-file"] or not named["--tls-cert"]:
        missing = ", ".join(option for option, path in named.items() if not path)
        raise InputError(
            f"{redact(address)}: no certificates are given for tls; add {missing} with the PEM files that the "
            "scheduler's administrator gave you, or name them in dask's configuration (distributed.comm.tls)"
        )


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's loopback interface."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def security_of(options: ClusterOptions) -> Any:
    """Return dask's ``Security`` for the files in the options; None leaves it to dask's configuration.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    if options.tls is None:
        return None
    from distributed.security import Security

    roles = ("client", "worker", "scheduler")
    try:
        return Security(
            require_encryption=True,
            tls_ca_file=options.tls.ca,
            **{f"tls_{role}_cert": options.tls.cert for role in roles},
            **{f"tls_{role}_key": options.tls.key for role in roles},
        )
    except OSError as error:
        raise InputError(f"tls: {error}") from error


def temporary_security(stack: ExitStack, shared: str | None) -> Any:
    """Create certificates for one run, in a folder that only its user can read and that the stack deletes.

    Workers on other machines read them there: in the home directory, unless another shared folder is named.

    Raises
    ------
    InputError
        If the package cryptography is missing.
    """
    from distributed.security import Security

    try:
        created = Security.temporary()
    except ImportError as error:
        raise InputError(
            "encryption needs the package cryptography: python -m pip install 'dasksom[hpc]', or add --insecure"
        ) from error
    parent = Path.home() if shared is None else Path(os.path.expandvars(shared)).expanduser()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".dasksom-keys-", dir=parent)))
    texts = {"ca": created.tls_ca_file, "cert": created.tls_worker_cert, "key": created.tls_worker_key}
    for name, text in texts.items():
        path = folder / f"{name}.pem"
        path.touch(mode=0o600)
        path.write_text(text)
    return security_of(ClusterOptions(tls=TlsFiles(*(str(folder / f"{name}.pem") for name in texts))))
