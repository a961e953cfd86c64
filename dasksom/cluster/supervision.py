"""A cluster while a run goes on: whether its scheduler answers, and its workers are there and can work."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

import dask
from dask.utils import format_bytes, parse_timedelta

from dasksom.cluster.death_blame import plugin_of, tries
from dasksom.errors import DasksomError

logger = logging.getLogger(__name__)

WAIT_SECONDS = 1800.0
"""How long a run waits for workers once all are gone, where nobody has said."""
SPEAK_SECONDS = 60.0
"""How often to say what is waited for."""
LOOK_SECONDS = 5.0
"""How often to look at the cluster while a result is awaited."""
ANSWER_SECONDS = 15.0
"""How long to wait for a scheduler's answer."""
SILENT_SECONDS = 60.0
"""How long a scheduler may not answer."""
PAUSED_SECONDS = 60.0
"""How long a worker may not work for want of memory, before it is restarted or named."""
DASKS_TTL = 300.0
"""What dask has for `distributed.scheduler.worker-ttl`, in seconds, where nobody has set it."""
_NO_ANSWER = (OSError, ValueError, AttributeError)
"""What a client raises whose scheduler does not answer, or is not there any more; a TimeoutError is an OSError."""


@dataclass(frozen=True)
class Terms:
    """What a run may expect of a cluster."""

    wait: float = WAIT_SECONDS
    """Seconds to wait for workers once all are gone."""
    ours: bool = False
    """Whether it was started for the run, so that its workers may be restarted."""
    workers: int = 0
    """How many it was asked for; 0 where it looks after that itself."""


_terms: "WeakKeyDictionary[Any, Terms]" = WeakKeyDictionary()


def can_be_asked(client: Any) -> bool:
    """Tell whether a client's scheduler is there, as far as is known: what is asked of others is waited for in vain."""
    return bool(client.status == "running")


@contextmanager
def looked_after(client: Any, terms: Terms, *, ttl: float = DASKS_TTL) -> Iterator[Any]:
    """Let suspicion fall on the right tasks of a cluster, and log the deaths of its workers, while the context lasts.

    Parameters
    ----------
    client : distributed.Client
    terms : Terms
    ttl : float
        Seconds after which a worker of a cluster that is ours counts as hung, unless dask is configured otherwise.
    """
    topic = f"dasksom-{uuid4().hex}"
    # what a user has configured here is meant for a scheduler elsewhere too
    own = parse_timedelta(dask.config.get("distributed.scheduler.worker-ttl", None) or DASKS_TTL)
    _terms[client] = terms
    plugin = plugin_of(topic, ours=terms.ours, ttl=ttl if own == DASKS_TTL else own, ttl_default=DASKS_TTL)
    client.register_plugin(plugin, name=topic)
    client.subscribe_topic(topic, _tell_of_death)
    try:
        yield client
    finally:
        if can_be_asked(client):
            with suppress(Exception):
                client.unsubscribe_topic(topic)
                if not terms.ours:  # another's scheduler is left as it was found
                    client.unregister_scheduler_plugin(topic)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep dask from logging, with tracebacks, what reaches the caller as an error anyhow; all of it is debugging."""
    from distributed.utils import silence_logging_cmgr

    level = logging.DEBUG if logger.isEnabledFor(logging.DEBUG) else logging.CRITICAL
    with silence_logging_cmgr(level):
        yield


def _tell_of_death(event: tuple[float, dict[str, Any]]) -> None:
    told = event[1]
    tasks = "a task" if told["tasks"] == 1 else f"{told['tasks']} tasks"
    logger.warning("worker %s was lost with %s, which will be done again", told["worker"], tasks)


@dataclass
class Watch:
    """Waits for results, and looks after the cluster meanwhile."""

    client: Any
    terms: Terms = field(init=False)
    _address: str = field(init=False)
    _answered: float = 0.0
    _empty_since: float | None = None
    _spoken: float = 0.0
    _paused_since: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.terms = _terms.get(self.client, Terms())
        self._address = self.client.scheduler.address

    def result(self, future: Any) -> Any:
        """Wait for a future and give its result.

        Raises
        ------
        DasksomError
            If the scheduler is gone or does not answer, all workers are gone for longer than the terms say, or a worker
            of another's cluster stays paused for as long.
        """
        self._answered, self._empty_since, self._paused_since = time.monotonic(), None, {}
        while True:
            try:
                if future.done():
                    return future.result()
                return future.result(timeout=min(LOOK_SECONDS, max(1.0, self.terms.wait / 4)))
            except CancelledError as error:
                raise DasksomError(self._why_cancelled(error)) from error
            except TimeoutError:
                if not future.done():
                    self._look()
                elif future.status == "error":
                    raise

    def deaths(self, allowed_failures: int) -> int:
        """Give how many workers died at a task that was given up, by a scheduler of so many `allowed-failures`."""
        return tries(allowed_failures) if self.client in _terms else allowed_failures + 1

    def threads(self) -> int:
        """Give the threads of all workers, at least 1; raise as `result` where the scheduler is gone."""
        try:
            found = self._ask(self.client.scheduler.ncores)
            return max(1, sum(int(threads) for threads in found.values()))
        except _NO_ANSWER:
            if self.client.status not in ("running", "connecting"):
                raise DasksomError(self._why_cancelled(None)) from None
            return 1

    def _ask(self, question: Any, **arguments: Any) -> Any:
        return self.client.sync(question, **arguments, callback_timeout=ANSWER_SECONDS)

    def _why_cancelled(self, error: CancelledError | None) -> str:
        if getattr(error, "reason", None) == "scheduler-connection-lost" or self.client.status != "running":
            return (
                f"the scheduler at {self._address} is gone, or cannot be reached any more: it was ended or crashed, or "
                "the network between here and there failed"
            )
        return f"the cluster at {self._address} gave the work up: {' '.join(str(error).split())}"

    def _look(self) -> None:
        try:
            found = self._ask(self.client.scheduler.identity, n_workers=-1)
        except _NO_ANSWER:  # what it is if the connection is closed shows in the future
            silent = time.monotonic() - self._answered
            if silent >= SILENT_SECONDS:
                with suppress(Exception):  # what is still asked of it would be waited for
                    self.client.close(timeout=1)
                raise DasksomError(
                    f"the scheduler at {self._address} has not answered for {silent:.0f} s: it hangs, "
                    "or the network between here and there failed"
                ) from None
            return
        self._answered = time.monotonic()
        workers = found["workers"]
        self._fill_up(len(workers))
        self._look_for_workers(len(workers))
        self._look_at_paused({address: one for address, one in workers.items() if one["status"] == "paused"})

    def _fill_up(self, there: int) -> None:
        """Ask for workers in the place of those that ended for good: jobs that ran out of time, machines taken away.

        Local ones too: a worker that dies as soon as it has come takes the process that would start it again along.
        """
        if 0 < self.terms.workers > there and self.client.cluster is not None:
            self.client.cluster.scale(self.terms.workers)

    def _look_for_workers(self, there: int) -> None:
        now = time.monotonic()
        if there:
            if self._empty_since is not None:
                logger.info("workers are back: %d", there)
            self._empty_since = None
            return
        if self._empty_since is None:
            self._empty_since, self._spoken = now, -SPEAK_SECONDS
        waited = now - self._empty_since
        if waited >= self.terms.wait:
            raise DasksomError(
                f"all workers of the cluster at {self._address} are gone, for {waited:.0f} s now; "
                "start some, or wait longer (--wait)"
            )
        if now - self._spoken >= SPEAK_SECONDS:
            self._spoken = now
            logger.warning(
                "all workers are gone; waited %.0f s for others, at most %.0f s (--wait)", waited, self.terms.wait
            )

    def _look_at_paused(self, paused: dict[str, dict[str, Any]]) -> None:
        now = time.monotonic()
        self._paused_since = {address: self._paused_since.get(address, now) for address in paused}
        for address, since in self._paused_since.items():
            if now - since < PAUSED_SECONDS:
                continue
            told = paused[address]
            used, limit = format_bytes(told["metrics"]["memory"]), format_bytes(told["memory_limit"])
            why = f"worker {address} does nothing, for it has {used} of its {limit} of memory in use"
            if self.terms.ours and told.get("nanny"):
                logger.warning("%s; it is restarted", why)
                with suppress(Exception):  # if it cannot be, the next look tells
                    self.client.restart_workers([address], timeout=30, raise_for_error=False)
                self._paused_since = {}
                return
            if now - since >= self.terms.wait:
                raise DasksomError(f"{why}, since {now - since:.0f} s; restart it, or give workers more memory")
            if now - self._spoken >= SPEAK_SECONDS:
                self._spoken = now
                logger.warning("%s", why)
