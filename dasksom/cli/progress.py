"""The progress of a run: a bar on a terminal, plain lines elsewhere, JSON in a log of JSON."""

import logging
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from dasksom.cli.log import LOG

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from dasksom.som.quality import Epoch

_PLAIN_SECONDS = 10.0
"""Shortest time between two lines of progress, except the last one of a pass."""
logger = logging.getLogger("dasksom.progress")


class ProgressDisplay:
    """Shows the plan, the stages and the passes of a run on standard error (`dasksom.runs.watcher.Watcher`).

    Parameters
    ----------
    console : rich.console.Console, optional
        A terminal, by default standard error if it is one.
    """

    def __init__(self, console: "Console | None" = None) -> None:
        self._pixels = 0
        self._stage = ""
        self._epoch = ""
        self._pass_start = self._last_line = time.monotonic()
        self._printed = False
        shows_bar = (console or sys.stderr.isatty()) and not (LOG.as_json or LOG.is_quiet)
        self._bar = self._new_bar(console) if shows_bar else None
        self._task: Any = None

    def _new_bar(self, console: "Console | None") -> "Progress":
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        return Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("chunks  {task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )

    def __enter__(self) -> "ProgressDisplay":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _print(self, line: str) -> None:
        if LOG.as_json:
            logger.info("%s", line)
        elif self._bar is not None:
            self._bar.console.print(line, highlight=False, markup=False, soft_wrap=True)
        elif not LOG.is_quiet:
            click.echo(line, err=True)

    def plan(self, line: str) -> None:
        """Show the plan of the run."""
        self._print(f"plan: {line}")

    def stage(self, name: str, pixels: int) -> None:
        """Begin a stage whose passes process `pixels` pixels each."""
        self._stage, self._pixels, self._epoch = name, pixels, ""
        self._start_pass()
        if self._bar is not None:
            self._task = self._bar.add_task(name, total=None, rate="")

    def _start_pass(self) -> None:
        self._pass_start = self._last_line = time.monotonic()
        self._printed = False

    def progress(self, done: int, total: int) -> None:
        """Show the completed chunks of the pass, the rate, and the remaining time."""
        now = time.monotonic()
        rate = f"{self._pixels * done / total / max(now - self._pass_start, 1e-3) / 1e6:.3g} Mpx/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, rate=rate, description=self._stage + self._epoch)
        elif now - self._last_line >= _PLAIN_SECONDS or (done == total and self._printed):
            left = f", {(total - done) / done * (now - self._pass_start):.0f} s left" if done < total else ""
            self._print(f"{self._stage}{self._epoch}: {done} of {total} chunks, {rate}{left}")
            self._last_line, self._printed = now, True
        if done == total:
            self._start_pass()

    def epoch(self, epoch: "Epoch") -> None:
        """Show the number and the error of the last epoch from here on."""
        on = " on the sample" if epoch.sampled else ""
        self._epoch = f", epoch {epoch.epoch} done{on}, error {epoch.mean_squared_error:.4g}"
        if self._bar is not None:
            self._bar.update(self._task, description=self._stage + self._epoch)
