"""Ctrl-C at any moment of the start ends in one line."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from dasksom.cluster.interrupts import shielded_from_interrupts

STOPPED = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "dask.array":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
sys.argv = ["dasksom", "info", "photo.png"]
from dasksom.__main__ import main
main()
"""


def test_interrupted__while_libraries_are_loaded():
    done = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130
    assert done.stderr.strip() == "dasksom: interrupted"


def test_interrupted__while_a_cluster_starts__by_way_of_another_thread():
    ended = threading.Event()
    threading.Thread(target=ended.wait, daemon=True).start()  # has no mask, and so gets the signal
    reached = False

    def start():
        nonlocal reached
        with shielded_from_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            reached = True

    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            start()
    finally:
        ended.set()
    assert reached
    assert signal.getsignal(signal.SIGINT) is before


def test_a_cluster_starts_in_another_thread():
    found = []

    def start():
        with shielded_from_interrupts():
            found.append(True)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(10)
    assert found
