"""What is seen of a cluster, and said; tests/faults has real ones."""

import dask
import pytest

from dasksom.cluster import watching
from dasksom.cluster.supervision import Terms, Watch, looked_after
from dasksom.errors import DasksomError


class _Client:
    """A cluster that can be told what to look like."""

    status = "running"
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
    monkeypatch.setattr(watching, "time", clock)
    return clock


def _watch(client, **terms):
    watch = Watch(client)
    watch.terms = Terms(**terms)
    return watch


def _looks(watch, clock, seconds, step=5):
    for _ in range(0, seconds, step):
        clock.now += step
        watch._look()


def test_no_workers__said_each_minute_and_given_up_in_the_end(clock, caplog):
    watch = _watch(_Client({}), wait=200.0)
    with pytest.raises(DasksomError, match=r"all workers of the cluster at tcp://scheduler:1 are gone, for 200 s"):
        _looks(watch, clock, 400)
    assert sum("all workers are gone" in record.message for record in caplog.records) == 4


def test_no_workers__they_are_asked_for_again(clock):
    client = _Client({})
    client.cluster = client
    _looks(_watch(client, ours=True, workers=3), clock, 5)
    assert client.scaled == 3


def test_paused__ours_are_restarted(clock, caplog):
    client = _Client({"tcp://w:1": _worker("paused"), "tcp://w:2": _worker()})
    watch = _watch(client, ours=True)
    _looks(watch, clock, 60)
    assert not client.restarted
    _looks(watch, clock, 10)
    assert client.restarted == ["tcp://w:1"]
    assert "900.00 MiB of its 1.00 GiB" in caplog.text


def test_paused__others_are_named(clock, caplog):
    client = _Client({"tcp://w:1": _worker("paused")})
    with pytest.raises(DasksomError, match=r"worker tcp://w:1 does nothing, for it has 900.00 MiB"):
        _looks(_watch(client, wait=300.0), clock, 400)
    assert not client.restarted
    assert 3 <= sum("does nothing" in record.message for record in caplog.records) <= 5


def test_paused__for_a_moment_is_no_matter(clock):
    client = _Client({"tcp://w:1": _worker("paused")})
    watch = _watch(client, ours=True)
    for _ in range(5):
        _looks(watch, clock, 50)
        client.workers["tcp://w:1"] = _worker()
        _looks(watch, clock, 5)
        client.workers["tcp://w:1"] = _worker("paused")
    assert not client.restarted


def test_a_scheduler_that_does_not_answer(clock):
    watch = _watch(_Client(TimeoutError()))
    watch._answered = clock.now
    with pytest.raises(DasksomError, match=r"tcp://scheduler:1 has not answered for 60 s"):
        _looks(watch, clock, 100)


@pytest.mark.parametrize("configured", [None, "7s"])
def test_looked_after__what_is_configured_for_dask_stays(configured):
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
        with looked_after(client, Terms()):
            assert (cluster.scheduler.worker_ttl, cluster.scheduler.allowed_failures) == before
        assert not any(name.startswith("dasksom") for name in cluster.scheduler.plugins)
        with looked_after(client, Terms(ours=True), ttl=30.0):
            expected = (30.0, 3) if configured is None else before
            assert (cluster.scheduler.worker_ttl, cluster.scheduler.allowed_failures) == expected
