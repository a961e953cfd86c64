"""The interface of progress displays."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dasksom.som.quality import Epoch


class Watcher(Protocol):
    """Receives the progress of a run."""

    def plan(self, line: str) -> None:
        """Receive the plan of the run."""

    def stage(self, name: str, pixels: int) -> None:
        """Begin a stage whose passes process `pixels` pixels each."""

    def progress(self, done: int, total: int) -> None:
        """Receive the number of completed chunks of a pass, and their total."""

    def epoch(self, epoch: "Epoch") -> None:
        """Receive the record of a completed epoch."""
