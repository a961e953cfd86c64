"""Runs that are disturbed from outside, by signals of the operating system, at moments that a seed chooses.

A test says what shall happen at which moment of a run, and compares every byte that the run made with those of a run
that nobody disturbed. The harness makes sure that the fault has landed: a run in which it did not is a failed test.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import zarr

from dasksom import BatchSOM
from dasksom.config import load_config
from dasksom.runs.workflows import quantize_image

EPOCHS = 3
PASSES = EPOCHS + 2
"""A first look, the epochs, and the writing."""
SHAPE = 320, 640
CHUNK = 40
"""128 chunks, of which a task each: a pass has 8 windows."""


def make_image(path, dtype="uint16", shape=SHAPE, chunk=CHUNK, bands=None):
    """Write an image that is streamed, of smooth colors and noise."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[: shape[0], : shape[1]]
    bands = bands or (4 if dtype == "uint8" else 3)  # three bands of 8 bits would be counted, not streamed
    top = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    smooth = np.stack([np.sin(x / 97 + band) * np.cos(y / 83 - band) / 2 + 0.5 for band in range(bands)], -1)
    noisy = (smooth + rng.normal(0, 0.02, smooth.shape)).clip(0, 1) * top
    zarr.create_array(path, data=noisy.astype(dtype), chunks=(chunk, chunk, bands))
    return str(path)


# ------------------------------------------------------------------------------------------------------- fingerprints


def _without_times(value):
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key not in ("run", "seconds", "started")}
    return value


def fingerprint(output):
    """Give a hash of every byte of an output, but for the times that it tells."""
    found = hashlib.sha256()
    files = sorted(path for path in Path(output).rglob("*") if path.is_file())
    assert len(files) > 4
    for path in files:
        content = path.read_bytes()
        if path.name == "zarr.json":
            content = json.dumps(_without_times(json.loads(content)), sort_keys=True).encode()
        if path.name == "SHA256SUMS":
            content = b"".join(line for line in content.splitlines(True) if not line.endswith(b"  zarr.json\n"))
        found.update(f"{path.relative_to(output)} {len(content)}\n".encode() + content)
    return found.hexdigest()


TYPES = ("uint8", "uint16", "float32")


def hash_of(image, fault=None, **fit):
    """Train and label; give a hash of the codebook in float64, the history of its errors, and all labels."""

    def meanwhile(epoch, _):
        if fault is not None and epoch.epoch == 1:
            landed.append(fault())

    landed = []
    som = BatchSOM(8, 8, epochs=3, random_state=0, method="stream").fit(image, **{"on_epoch": meanwhile, **fit})
    assert bool(landed) == (fault is not None)
    found = hashlib.sha256(som.weights_.tobytes() + repr(som.history_).encode())
    found.update(np.asarray(som.predict(image)).tobytes())
    return found.hexdigest()


# ------------------------------------------------------------------------------------------------------------ moments


class Moment(NamedTuple):
    """A place in a run: so many windows of a pass are done, and some more time."""

    passed: int
    """Passes that are over."""
    share: float
    """Of the chunks of the pass."""
    seconds: float


def moments(seed, count):
    """Choose moments all over a run, so many in each pass."""
    rng = np.random.default_rng(seed)
    return [Moment(n % PASSES, float(rng.uniform(0.05, 0.85)), float(rng.uniform(0, 0.05))) for n in range(count)]


class Disturber:
    """A run's watcher that lets something happen at moments of it."""

    def __init__(self, faults=()):
        self.faults = list(faults)
        self.passed = 0
        self.landed = []
        self.errors = []

    def plan(self, line):
        pass

    def stage(self, name, pixels):
        pass

    def epoch(self, epoch):
        pass

    def progress(self, done, total):
        for moment, fault in list(self.faults):
            if self.passed == moment.passed and done >= moment.share * total and done < total:
                self.faults.remove((moment, fault))
                time.sleep(moment.seconds)
                self.landed.append(fault())
        self.passed += done == total


@dataclass
class Outcome:
    """What a run in this process came to."""

    bytes: str
    history: str
    record: object
    seconds: float
    landed: list = field(default_factory=list)

    @property
    def same(self):
        return self.bytes, self.history


def run(source, output, cluster, faults=(), *, grid="12x12", cache="none", chunk_size="16KiB", **more):
    """Quantize an image in this process, on the workers of a cluster."""
    given = {
        "map": {"grid": grid, "epochs": EPOCHS},
        "cluster": {"name": cluster, **more},
        "input": {"chunk_size": chunk_size, "cache": cache},
    }
    disturber, start = Disturber(faults), time.monotonic()
    record = quantize_image(source, str(output), load_config(None, given), disturber)
    seconds = time.monotonic() - start
    assert disturber.passed == PASSES
    assert not disturber.faults, f"never landed: {disturber.faults}"
    return Outcome(fingerprint(output), repr(record.history), record, seconds, disturber.landed)


# ----------------------------------------------------------------------------------------------------------- processes


OTHERS = set()
"""Workers that this process had before the test: those of a cluster that tests elsewhere share."""


def workers_of(pid=None):
    """Give the worker processes that a process has started, those that still begin included."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if child.pid in OTHERS or child.status() == psutil.STATUS_ZOMBIE:
                continue
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def kill(process, sign=signal.SIGKILL):
    """Send a signal that ends a process, and see it go."""
    process.send_signal(sign)
    return gone(process)


def gone(process):
    """See a process go that was sent such a signal."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if is_gone(process):
            return process.pid
        time.sleep(0.005)
    raise AssertionError(f"{process} is still there")


def is_gone(process):
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # between the two questions
        return True


def address_of(cluster, process):
    """Give the address of a worker of a cluster that this process has started; None while it begins."""
    there = [(one.worker_address, one.process) for one in list(cluster.workers.values())]
    return next((address for address, one in there if one is not None and one.pid == process.pid), None)


def fill_up(cluster, workers, without=()):
    """Wait until a cluster has its workers, and give their process ids in order; others come for those that cannot.

    One that is killed while it begins takes its nanny along, and one that stays away for long is given up.
    """
    deadline = time.monotonic() + 90
    while True:
        known = set(cluster.scheduler.workers)
        there = [(one.worker_address, one.process) for one in list(cluster.workers.values())]
        begun = [one for address, one in there if one is not None and address in known and one.status.name == "running"]
        pids = {one.pid for one in begun} - {None, *without}
        if len(pids) >= workers:
            return sorted(pids)
        assert time.monotonic() < deadline, f"{len(pids)} of {workers} workers come"
        cluster.scale(max(workers, len(cluster.worker_spec)))
        time.sleep(0.1)


def kill_of(cluster, process):
    """Kill a worker of a cluster of this process, and see its scheduler miss it: the run may have ended by then."""
    address = address_of(cluster, process)
    kill(process)
    deadline = time.monotonic() + 30
    while address in cluster.scheduler.workers:
        assert time.monotonic() < deadline, f"the scheduler does not miss {address}"
        time.sleep(0.002)
    return process.pid


class Watchdog:
    """Ends this process's workers, and so the run, if a test takes too long."""

    def __init__(self, seconds):
        self._timer = threading.Timer(seconds, self._bite)
        self._timer.daemon = True

    def _bite(self):
        sys.stderr.write("watchdog: the test hangs\n")
        os.kill(os.getpid(), signal.SIGINT)

    def __enter__(self):
        self._timer.start()

    def __exit__(self, *_):
        self._timer.cancel()


class Command:
    """`dasksom ...` as a process group of its own."""

    def __init__(self, folder, *arguments, script=("-m", "dasksom"), limits=None, **environment):
        self._errors = folder / f"stderr-{time.monotonic_ns()}.txt"
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *script, *arguments],
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=limits,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    @property
    def errors(self):
        return self._errors.read_text()

    def wait_for(self, happened, seconds):
        """Wait until something is so, while the command runs; give what it is."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := happened():
                return found
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.errors}"
            time.sleep(0.02)
        raise AssertionError(f"waited {seconds} s in vain: {self.errors}")

    def finish(self, seconds):
        """Wait for the end; give the exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"hangs: {self.errors}") from None


def quantize_arguments(source, output, *more, epochs=EPOCHS):
    """Give the arguments of the command that does what `run` does."""
    common = ["--grid", "12x12", "--epochs", str(epochs), "--chunk-size", "16KiB", "--cache", "none"]
    return ["--log-json", "-v", "quantize", str(source), str(output), *common, *more]


def epochs_in(text):
    """Give the number of the last epoch that a log tells of; 0 before the first."""
    records = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return max((record.get("epoch", 0) for record in records), default=0)


def dask_process(folder, *arguments, limits=None, **environment):
    """Run one of dask's own commands, `dask scheduler` or `dask worker`, and end it and what it started."""
    return Command(
        folder, *arguments, "--host", "127.0.0.1", "--no-dashboard", script=("-m", "dask"), limits=limits, **environment
    )


def worker(folder, scheduler, *more, **options):
    arguments = ["worker", "--scheduler-file", scheduler.file, "--nthreads", "1", "--local-directory", str(folder)]
    return dask_process(folder, *arguments, *more, **options)


def quantizing(folder, source, scheduler, *more, epochs=40):
    """Start a run that lasts until it is disturbed."""
    arguments = quantize_arguments(source, "out.zarr", "--cluster", scheduler.file, *more, epochs=epochs)
    return Command(folder, *arguments)
