"""Supervision of a cluster during a run: check that its scheduler answers and its workers are alive and not paused."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from dasksom.cluster.death_blame import TASK_ANNOTATIONS, allowed_deaths, death_plugin
from dasksom.errors import DasksomError

_logger = logging.getLogger(__name__)

LOST_WORKERS_SECONDS = 1800.0
"""Default seconds to wait for workers when all are lost."""
LOG_SECONDS = 60.0
"""Seconds between two log messages about waiting."""
DASK_TTL_SECONDS = 300.0
"""Dask's default of `distributed.scheduler.worker-ttl`."""
_CHECK_SECONDS = 5.0
"""Seconds between two checks of the cluster while waiting for a result."""
_ANSWER_SECONDS = 15.0
"""Seconds to wait for one answer of a scheduler."""
_SILENT_SECONDS = 60.0
"""Seconds without an answer after which a scheduler is considered lost."""
_PAUSED_SECONDS = 60.0
"""Seconds after which a worker paused for lack of memory is restarted or reported."""
_NO_ANSWER = (OSError, ValueError, AttributeError)
"""Errors of a client whose scheduler does not answer or is gone; TimeoutError is an OSError."""


@dataclass(frozen=True)
class SupervisionTerms:
    """Expectations of a run about its cluster."""

    wait: float = LOST_WORKERS_SECONDS
    """Seconds to wait for workers when all are lost."""
    owned: bool = False
    """Whether the cluster was started for the run, so that its workers may be restarted."""
    workers: int = 0
    """Number of workers asked for; 0 where the cluster maintains its size itself."""
    address: str = ""
    """Address of the scheduler, which a closed client no longer knows."""


_terms: "WeakKeyDictionary[Any, SupervisionTerms]" = WeakKeyDictionary()


def is_connected(client: Any) -> bool:
    """Return whether a client believes that its scheduler is alive; requests to others would never be answered."""
    return bool(client.status == "running")


def check_usable(client: Any) -> None:
    """Check that a run can use a client.

    Raises
    ------
    DasksomError
        If it is asynchronous or closed.
    """
    if client.asynchronous:
        raise DasksomError(
            "the current dask client is asynchronous, and a run waits for its results: run it in a thread "
            "(await asyncio.to_thread(...)), or create the client with asynchronous=False"
        )
    if client.status in ("closing", "closed"):
        raise DasksomError(_closed(client))


def _closed(client: Any) -> str:
    address = _terms.get(client, SupervisionTerms()).address
    where = f" at {address}" if address else ""
    return (
        f"the dask client is closed ({client.id}): it or its cluster was closed, or its scheduler{where} is gone; keep "
        "them until the run ends, and start it again with a new client"
    )


@contextmanager
def supervised(client: Any, terms: SupervisionTerms, *, ttl: float = DASK_TTL_SECONDS) -> Iterator[Any]:
    """While the context lasts, blame the right tasks for deaths of workers, and log each death.

    Parameters
    ----------
    client : distributed.Client
    terms : SupervisionTerms
    ttl : float
        Seconds of silence after which a worker of an owned cluster is restarted, unless dask is configured otherwise.
    """
    import dask
    from dask.utils import parse_timedelta

    topic = f"dasksom-{uuid4().hex}"
    # what a user has configured here is meant for a scheduler elsewhere too
    configured = parse_timedelta(dask.config.get("distributed.scheduler.worker-ttl", None) or DASK_TTL_SECONDS)
    _terms[client] = replace(terms, address=client.scheduler.address)
    ttl = ttl if configured == DASK_TTL_SECONDS else configured
    plugin = death_plugin(topic, owned=terms.owned, ttl=ttl, default_ttl=DASK_TTL_SECONDS)
    client.register_plugin(plugin, name=topic)
    client.subscribe_topic(topic, _log_death)
    try:
        yield client
    finally:
        if is_connected(client):
            with suppress(Exception):
                client.unsubscribe_topic(topic)
                if not terms.owned:  # someone else's scheduler is left as it was
                    client.unregister_scheduler_plugin(topic)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep dask from logging, with tracebacks, errors that reach the caller anyway; with --debug it logs everything."""
    from distributed.utils import silence_logging_cmgr

    level = logging.DEBUG if _logger.isEnabledFor(logging.DEBUG) else logging.CRITICAL
    with silence_logging_cmgr(level):
        yield


def _log_death(event: tuple[float, dict[str, Any]]) -> None:
    death = event[1]
    tasks = "a task" if death["tasks"] == 1 else f"{death['tasks']} tasks"
    _logger.warning("worker %s was lost with %s, which will run again", death["worker"], tasks)


@dataclass
class Supervisor:
    """Submits work to a cluster, and supervises the cluster while it waits for results.

    Parameters
    ----------
    client : distributed.Client

    Raises
    ------
    DasksomError
        If the client is asynchronous or closed.
    """

    client: Any
    terms: SupervisionTerms = field(init=False)
    _address: str = field(init=False)
    _answered: float = 0.0
    _empty_since: float | None = None
    _logged: float = 0.0
    _paused_since: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_usable(self.client)
        self.terms = _terms.get(self.client, SupervisionTerms())
        self._address = self.client.scheduler.address

    def submit(self, root: Any) -> Any:
        """Submit a lazy result and return its future.

        Raises
        ------
        DasksomError
            If the client has been closed.
        """
        import dask

        try:
            with dask.annotate(**TASK_ANNOTATIONS):
                return self.client.compute(root)
        except Exception as error:  # ClosedClientError, or what a client that is half closed raises
            if is_connected(self.client):
                raise
            raise DasksomError(_closed(self.client)) from error

    def result(self, future: Any) -> Any:
        """Wait for a future and return its result.

        Raises
        ------
        DasksomError
            If the client was closed, the scheduler is gone or does not answer, all workers are lost for longer than
            the terms allow, or a worker of someone else's cluster stays paused for as long.
        """
        self._answered, self._empty_since, self._paused_since = time.monotonic(), None, {}
        while True:
            try:
                if future.done():
                    return future.result()
                return future.result(timeout=min(_CHECK_SECONDS, max(1.0, self.terms.wait / 4)))
            except CancelledError as error:
                raise DasksomError(self._cancellation(error)) from error
            except TimeoutError:
                if not future.done():
                    self._check()
                elif future.status == "error":
                    raise

    def deaths(self, allowed_failures: int) -> int:
        """Return how many workers died at a task that was given up, by a scheduler's `allowed-failures`."""
        return allowed_deaths(allowed_failures) if self.client in _terms else allowed_failures + 1

    def threads(self) -> int:
        """Return the threads of all workers, at least 1; raise as `result` where the scheduler is gone."""
        try:
            threads = self._ask(self.client.scheduler.ncores)
            return max(1, sum(int(count) for count in threads.values()))
        except _NO_ANSWER:
            if self.client.status not in ("running", "connecting"):
                raise DasksomError(self._cancellation(None)) from None
            return 1

    def _ask(self, question: Any, **arguments: Any) -> Any:
        return self.client.sync(question, **arguments, callback_timeout=_ANSWER_SECONDS)

    def _cancellation(self, error: CancelledError | None) -> str:
        reason = getattr(error, "reason", None)
        if self.client.status in ("closing", "closed") and reason != "scheduler-connection-lost":
            return _closed(self.client)
        if reason == "scheduler-connection-lost" or self.client.status != "running":
            return (
                f"the scheduler at {self._address} is gone, or cannot be reached any more: it was ended or crashed, or "
                "the network between here and there failed"
            )
        return f"the cluster at {self._address} gave the work up: {' '.join(str(error).split())}"

    def _check(self) -> None:
        try:
            identity = self._ask(self.client.scheduler.identity, n_workers=-1)
        except _NO_ANSWER:  # a closed connection shows in the future
            silent = time.monotonic() - self._answered
            if silent >= _SILENT_SECONDS:
                with suppress(Exception):  # requests under way would be waited for
                    self.client.close(timeout=1)
                raise DasksomError(
                    f"the scheduler at {self._address} has not answered for {silent:.0f} s: it hangs, "
                    "or the network between here and there failed"
                ) from None
            return
        self._answered = time.monotonic()
        workers = identity["workers"]
        self._replace_lost(len(workers))
        self._check_workers(len(workers))
        self._check_paused({address: worker for address, worker in workers.items() if worker["status"] == "paused"})

    def _replace_lost(self, count: int) -> None:
        """Request new workers to replace those that are lost for good: expired jobs, machines taken away.

        Local workers too: a worker that dies while it starts also ends its nanny.
        """
        if 0 < self.terms.workers > count and self.client.cluster is not None:
            self.client.cluster.scale(self.terms.workers)

    def _check_workers(self, count: int) -> None:
        now = time.monotonic()
        if count:
            if self._empty_since is not None:
                _logger.info("workers are back: %d", count)
            self._empty_since = None
            return
        if self._empty_since is None:
            self._empty_since, self._logged = now, -LOG_SECONDS
        waited = now - self._empty_since
        if waited >= self.terms.wait:
            raise DasksomError(
                f"all workers of the cluster at {self._address} are gone, for {waited:.0f} s now; "
                "start some, or wait longer (--wait)"
            )
        if now - self._logged >= LOG_SECONDS:
            self._logged = now
            _logger.warning(
                "all workers are gone; waited %.0f s for others, at most %.0f s (--wait)", waited, self.terms.wait
            )

    def _check_paused(self, paused: dict[str, dict[str, Any]]) -> None:
        from dask.utils import format_bytes

        now = time.monotonic()
        self._paused_since = {address: self._paused_since.get(address, now) for address in paused}
        for address, since in self._paused_since.items():
            if now - since < _PAUSED_SECONDS:
                continue
            worker = paused[address]
            used, limit = format_bytes(worker["metrics"]["memory"]), format_bytes(worker["memory_limit"])
            problem = f"worker {address} is paused: it uses {used} of its {limit} of memory"
            if self.terms.owned and worker.get("nanny"):
                _logger.warning("%s; it is restarted", problem)
                with suppress(Exception):  # if that fails, the next check shows it
                    self.client.restart_workers([address], timeout=30, raise_for_error=False)
                self._paused_since = {}
                return
            if now - since >= self.terms.wait:
                raise DasksomError(f"{problem}, for {now - since:.0f} s now; restart it, or give workers more memory")
            if now - self._logged >= LOG_SECONDS:
                self._logged = now
                _logger.warning("%s", problem)
