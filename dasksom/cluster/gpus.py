"""GPUs of this machine, and their assignment to local workers: one process uses one GPU."""

import logging
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

from dasksom.errors import InputError

_logger = logging.getLogger(__name__)
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_QUERY = ("--query-gpu=uuid,memory.total", "--format=csv,noheader,nounits")
_SECONDS = 30.0
"""Seconds to wait for the driver's answer; the first one after a start of the machine takes several."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that processes of this machine may use."""

    identity: str
    """Its UUID, or its entry in CUDA_VISIBLE_DEVICES."""
    memory: int
    """Bytes of its memory."""


def local_gpus(device: str) -> tuple[Gpu, ...]:
    """Return the GPUs that local workers use.

    Parameters
    ----------
    device : str
        "auto", for which there may be none, or "cuda".

    Raises
    ------
    InputError
        If the device is "cuda" and CuPy is not installed, or no GPU is reported.
    """
    has_package, gpus = find_spec("cupy") is not None, machine_gpus(os.environ.get(_VISIBLE))
    if device == "cuda" and not has_package:
        raise InputError("device 'cuda': CuPy is not installed; run pip install 'dasksom[cuda]', or use 'auto'")
    if device == "cuda" and not gpus:
        limit = f" among those that {_VISIBLE}={os.environ[_VISIBLE]!r} allows" if _VISIBLE in os.environ else ""
        raise InputError(
            f"device 'cuda': nvidia-smi reports no GPU of this machine{limit}; run on a machine with an NVIDIA driver, "
            "name a cluster whose workers have GPUs (--cluster), or use 'auto'"
        )
    return gpus if has_package else ()


@cache
def machine_gpus(visible: str | None) -> tuple[Gpu, ...]:
    """Return the GPUs that the driver of this machine reports, as far as an environment variable allows them.

    Parameters
    ----------
    visible : str, optional
        Value of CUDA_VISIBLE_DEVICES: numbers or UUIDs, up to the first that is negative.
    """
    found = _reported_gpus()
    if visible is None or not found:
        return found
    entries = [entry.strip() for entry in visible.split(",")]
    valid = next((n for n, entry in enumerate(entries) if not entry or entry.startswith("-")), len(entries))
    least = min(gpu.memory for gpu in found)  # CUDA numbers GPUs in another order than the driver
    return tuple(Gpu(entry, least) for entry in entries[:valid])


def _reported_gpus() -> tuple[Gpu, ...]:
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    try:
        answer = subprocess.run([command, *_QUERY], capture_output=True, text=True, timeout=_SECONDS, check=True)  # noqa: S603 - no shell
        rows = [line.split(",") for line in answer.stdout.splitlines() if line.strip()]
        return tuple(Gpu(identity.strip(), int(megabytes) << 20) for identity, megabytes in rows)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        _logger.warning("nvidia-smi does not report the GPUs (%s); the processor is used", " ".join(str(error).split()))
        return ()


def visible_devices(gpus: tuple[Gpu, ...], workers: int, *, shared: bool) -> dict[int, str]:
    """Return the value of CUDA_VISIBLE_DEVICES of each worker, by its name.

    Parameters
    ----------
    gpus : tuple of Gpu
    workers : int
    shared : bool
        Whether workers beyond the number of GPUs share them; else they have none.
    """
    identities = [gpu.identity for gpu in gpus]
    return {
        name: identities[name % len(gpus)] if gpus and (shared or name < len(gpus)) else "" for name in range(workers)
    }


def assignment_plugin(devices: Mapping[int, str]) -> Any:
    """Return the plugin that shows each worker its GPU: before its first task, and again after a restart."""
    from distributed.diagnostics.plugin import WorkerPlugin

    class GpuAssignment(WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:
            os.environ[_VISIBLE] = devices.get(worker.name, "")
            os.environ["CUPY_TF32"] = "0"  # products of float32 with all digits

    return GpuAssignment()
