"""Progress of a training, as bars in a notebook or a terminal."""

from importlib import import_module
from typing import Any

from dasksom.chunkwise import Progress
from dasksom.errors import InputError


class ProgressBars:
    """A bar of tqdm for each pass over the chunks, in a notebook or a terminal."""

    def __init__(self) -> None:
        try:
            self._tqdm: Any = import_module("tqdm.auto").tqdm
        except ImportError as error:
            raise InputError(
                "progress=True: needs tqdm; install dasksom[notebook], or give a callable (done, total)"
            ) from error
        self._bar: Any = None
        self._passes = 0

    def __call__(self, done: int, total: int) -> None:
        """Show the state of a pass; a new pass starts with a lower count than the last one had."""
        if self._bar is None or done < self._bar.n:
            self._passes += 1
            self._bar = self._tqdm(total=total, desc=f"pass {self._passes}", unit="chunk")
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.close()
            self._bar = None


def progress_of(given: Progress | bool | None) -> Progress | None:
    """Return what reports progress: bars for True, nothing for False."""
    return ProgressBars() if given is True else given or None
