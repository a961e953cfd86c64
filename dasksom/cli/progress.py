"""A run's progress as a person reads it: a bar on a terminal, plain lines elsewhere."""

import json
import logging
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dasksom.som.map_state import Epoch

PLAIN_SECONDS = 10.0
"""Off a terminal, how often a line of progress is written at most."""


class JsonFormatter(logging.Formatter):
    """Log records as JSON objects, for programs that read them."""

    def format(self, record: logging.LogRecord) -> str:
        """Give a record as one line."""
        told = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "told", {}),
        }
        return json.dumps(told)


class TerminalWatcher:
    """A progress bar on a terminal; plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pixels = 0
        self._name = ""
        self._epoch = ""
        self._started = self._spoken = time.monotonic()
        self._bar: Progress | None = None
        self._task: Any = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description:<24}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("chunks  {task.fields[rate]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=console,
            )

    def __enter__(self) -> "TerminalWatcher":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def plan(self, line: str) -> None:
        """Say what is going to be done."""
        self._console.print(f"plan: {line}", highlight=False, soft_wrap=True)

    def stage(self, name: str, pixels: int) -> None:
        """Begin a stage."""
        self._name, self._pixels, self._epoch = name, pixels, ""
        self._started = self._spoken = time.monotonic()
        if self._bar is not None:
            self._task = self._bar.add_task(name, total=None, rate="")

    def progress(self, done: int, total: int) -> None:
        """Show how many chunks of the pass are done, the rate, and the time left."""
        now = time.monotonic()
        rate = self._pixels * done / total / max(now - self._started, 1e-3)
        shown = f"{rate / 1e6:.0f} Mpx/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, rate=shown, description=self._name + self._epoch)
        elif now - self._spoken >= PLAIN_SECONDS:
            left = (total - done) / done * (now - self._started)
            self._console.print(f"{self._name}{self._epoch}: {done} of {total} chunks, {shown}, {left:.0f} s left")
            self._spoken = now
        if done == total:
            self._started = now

    def epoch(self, epoch: Epoch) -> None:
        """Show the number and the error of the last epoch."""
        self._epoch = f", epoch {epoch.epoch}, error {epoch.mean_squared_error:.4g}"
