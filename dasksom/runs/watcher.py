"""The interface of what shows the progress of a run."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dasksom.som.map_state import Epoch


class Watcher(Protocol):
    """Follows a run."""

    def plan(self, line: str) -> None:
        """Note what is going to be done."""

    def stage(self, name: str, pixels: int) -> None:
        """Note that a stage begins whose passes go over so many pixels."""

    def progress(self, done: int, total: int) -> None:
        """Note that so many chunks of a pass are done."""

    def epoch(self, epoch: "Epoch") -> None:
        """Note that an epoch ended."""
