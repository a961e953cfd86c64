"""Signals while worker processes start: they end the run afterwards, without tracebacks of half-started processes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

_ENDINGS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
"""Signals that end a run."""


@contextmanager
def shielded_from_interrupts() -> Iterator[None]:
    """Start threads that Ctrl-C does not reach, nor the processes that they start, now or later.

    A terminal sends it to all processes of a command. This process ends the workers; by themselves they would print
    tracebacks. A signal that arrives meanwhile takes effect when the context ends.
    """
    with _postponed():
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            yield
            return
        resource_tracker.ensure_running()  # when it starts it unblocks the signal in the thread that started it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _postponed() -> Iterator[None]:
    """Postpone signals that would end this process until the context ends.

    A thread's mask is not enough: the system delivers the signal to another thread, and Python handles it in the main
    one. A cluster that is half started cannot be stopped without a traceback.
    """
    if threading.current_thread() is not threading.main_thread():  # the only one that handlers run in
        yield
        return
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in _ENDINGS}
    ours = {number: handler for number, handler in before.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda sent, _: received.append(sent))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])
