"""Postpone signals while worker processes start, so that half-started processes print no tracebacks."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

_ENDINGS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
"""Signals that end a run."""


@contextmanager
def shielded_from_interrupts() -> Iterator[None]:
    """Shield threads started in this context, and their child processes, from Ctrl-C.

    A terminal sends SIGINT to all processes of a command. Workers would print tracebacks; this process stops them
    instead. Signals that arrive in the context take effect when it ends.
    """
    with _postponed():
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            yield
            return
        resource_tracker.ensure_running()  # its start unblocks the signal in the current thread
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _postponed() -> Iterator[None]:
    """Postpone signals that would end this process until the context ends.

    A thread's signal mask is not enough: the system delivers the signal to another thread, and Python handles it in the
    main thread. A half-started cluster cannot be stopped without a traceback.
    """
    if threading.current_thread() is not threading.main_thread():  # handlers only run in the main thread
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
