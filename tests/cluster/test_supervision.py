"""Supervision of simulated clusters; tests/faults has real ones."""

import dask
import pytest

from dasksom.cluster import supervision
from dasksom.cluster.supervision import SupervisionTerms, Supervisor, supervised
from dasksom.errors import DasksomError


class _Client:
    """A cluster whose state a test sets."""

    status = "running"
    asynchronous = False
    id = "Client-1"
    cluster = None

    def __init__(self, workers):
        self.workers, self.restarted, self.scheduler = workers, [], self
        self.address = "tcp://scheduler:1"

    def identity(self, n_workers):
        if isinstance(self.workers, Exception):
            raise self.workers
        return {"workers": self.workers}

    def sync(self, function, callback_timeout, **arguments):
        return function(**arguments)

    def restart_workers(self, addresses, **_):
        self.restarted += addresses

    def close(self, timeout):
        self.status = "closing"

    def scale(self, workers):
        self.scaled = workers


def _worker(status="running"):
    return {"status": status, "metrics": {"memory": 900 << 20}, "memory_limit": 1 << 30, "nanny": "tcp://nanny:1"}


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(supervision, "time", clock)
    return clock


def _supervisor(client, **terms):
    supervisor = Supervisor(client)
    supervisor.terms = SupervisionTerms(**terms)
    return supervisor


def _checks(supervisor, clock, seconds, step=5):
    for _ in range(0, seconds, step):
        clock.now += step
        supervisor._check()


def test_no_workers__is_logged_each_minute_and_ends_the_run(clock, caplog):
    supervisor = _supervisor(_Client({}), wait=200.0)
    with pytest.raises(DasksomError, match=r"all workers of the cluster at tcp://scheduler:1 are gone, for 200 s"):
        _checks(supervisor, clock, 400)
    assert sum("all workers are gone" in record.message for record in caplog.records) == 4


def test_no_workers__new_ones_are_requested(clock):
    client = _Client({})
    client.cluster = client
    _checks(_supervisor(client, owned=True, workers=3), clock, 5)
    assert client.scaled == 3


def test_paused__own_workers_are_restarted(clock, caplog):
    client = _Client({"tcp://w:1": _worker("paused"), "tcp://w:2": _worker()})
    supervisor = _supervisor(client, owned=True)
    _checks(supervisor, clock, 60)
    assert not client.restarted
    _checks(supervisor, clock, 10)
    assert client.restarted == ["tcp://w:1"]
    assert "900.00 MiB of its 1.00 GiB" in caplog.text


def test_paused__workers_of_others_are_named(clock, caplog):
    client = _Client({"tcp://w:1": _worker("paused")})
    with pytest.raises(DasksomError, match=r"worker tcp://w:1 is paused: it uses 900.00 MiB"):
        _checks(_supervisor(client, wait=300.0), clock, 400)
    assert not client.restarted
    assert 3 <= sum("is paused" in record.message for record in caplog.records) <= 5


def test_paused__for_a_moment_does_not_matter(clock):
    client = _Client({"tcp://w:1": _worker("paused")})
    supervisor = _supervisor(client, owned=True)
    for _ in range(5):
        _checks(supervisor, clock, 50)
        client.workers["tcp://w:1"] = _worker()
        _checks(supervisor, clock, 5)
        client.workers["tcp://w:1"] = _worker("paused")
    assert not client.restarted


def test_a_scheduler_that_does_not_answer(clock):
    supervisor = _supervisor(_Client(TimeoutError()))
    supervisor._answered = clock.now
    with pytest.raises(DasksomError, match=r"tcp://scheduler:1 has not answered for 60 s"):
        _checks(supervisor, clock, 100)


@pytest.mark.parametrize("configured", [None, "7s"])
def test_supervised__what_is_configured_for_dask_stays(configured):
    from distributed import Client, LocalCluster

    settings = (
        {}
        if configured is None
        else {
            "distributed.scheduler.worker-ttl": configured,
            "distributed.scheduler.allowed-failures": 17,
        }
    )
    with (
        dask.config.set(settings),
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        before = cluster.scheduler.worker_ttl, cluster.scheduler.allowed_failures
        with supervised(client, SupervisionTerms()):
            assert (cluster.scheduler.worker_ttl, cluster.scheduler.allowed_failures) == before
        assert not any(name.startswith("dasksom") for name in cluster.scheduler.plugins)
        with supervised(client, SupervisionTerms(owned=True), ttl=30.0):
            expected = (30.0, 3) if configured is None else before
            assert (cluster.scheduler.worker_ttl, cluster.scheduler.allowed_failures) == expected
