"""The progress of writing classes, as pages show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dasksom.redaction import printable

if TYPE_CHECKING:
    from dasksom.som.quality import Epoch


@dataclass
class WriteStatus:
    """Receives the progress of a run on its thread, and is read on others."""

    version: int = 0
    """Version of the classes that are written."""
    state: str = "idle"
    """idle, running, done, failed or stopped."""
    done: int = 0
    total: int = 0
    """Chunks of the present pass."""
    lines: list[str] = field(default_factory=list)
    """What was written, or the error."""
    stopping: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the status as JSON."""
        share = self.done / self.total if self.total else 0.0
        return {"state": self.state, "version": self.version, "share": share, "lines": list(map(printable, self.lines))}

    def stop(self) -> None:
        """Interrupt the run at its next chunk."""
        self.stopping = True

    def end(self, state: str, lines: list[str]) -> None:
        """Record how the run ended."""
        self.lines = lines
        self.state = state

    # the interface of progress displays: `runs.watcher.Watcher`

    def plan(self, line: str) -> None:
        """Ignore the plan of the run."""

    def stage(self, name: str, pixels: int) -> None:
        """Begin a stage."""
        self.done = self.total = 0

    def progress(self, done: int, total: int) -> None:
        """Receive the number of completed chunks of a pass, and their total."""
        self.done, self.total = done, total
        if self.stopping:
            raise KeyboardInterrupt

    def epoch(self, epoch: Epoch) -> None:
        """Ignore an epoch; classes have none."""
