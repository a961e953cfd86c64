"""What the server of a viewer answers: the page, tiles, and what is at a pixel."""

import asyncio
import io
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tornado.web import HTTPError, RequestHandler

from dasksom.errors import DasksomError
from dasksom.view.scene import Scene

HOSTS = ("127.0.0.1", "localhost")
"""Names that a browser may call this server by: others would be pages that had their own name lead here."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Server": "dasksom",
    "Cache-Control": "no-store",
}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
LASTING = "private, max-age=86400, immutable"
"""Of tiles that will not change; the next viewer has another address."""
_FAST = 1


class Handler(RequestHandler):
    """Answers those who call it by its own name, in a form that no other page can use."""

    closed = False

    def set_default_headers(self) -> None:
        """Let the page load nothing but what lies beside it."""
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse other names for this machine: a page of a stranger's that had its name lead here could else read."""
        if self.request.host_name not in HOSTS:
            raise HTTPError(403, reason="Forbidden: call this server 127.0.0.1 or localhost")

    def on_connection_close(self) -> None:
        """Note that nobody waits any more."""
        self.closed = True

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what went wrong, as JSON."""
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        told = str(error) if isinstance(error, DasksomError) else f"{type(error).__name__}: {error}"
        known = error is None or isinstance(error, HTTPError)
        self.finish({"error": self._reason if known else " ".join(told.split())})


class Missing(Handler):
    """Answers whatever else is asked for."""

    def prepare(self) -> None:
        """Say that there is no such thing."""
        super().prepare()
        raise HTTPError(404)


class Asset(Handler):
    """A file of the page."""

    def initialize(self, file: Traversable) -> None:
        """Take the file."""
        self.file = file

    def get(self) -> None:
        """Answer with it."""
        self.set_header("Content-Type", TYPES["." + self.file.name.rpartition(".")[2]])
        self.finish(self.file.read_bytes())


class SceneHandler(Handler):
    """Answers from a scene."""

    def initialize(self, scene: Scene, pool: ThreadPoolExecutor) -> None:
        """Take what to answer from, and the threads that read."""
        self.scene, self.pool = scene, pool

    async def aside(self, work: Callable[[], Any]) -> Any:
        """Do what reads files on a thread; not for those who have gone meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, lambda: None if self.closed else work())


class Tell(SceneHandler):
    """What the page has to know before it asks for tiles."""

    def get(self) -> None:
        """Answer as JSON."""
        self.finish(self.scene.about)


class Progress(SceneHandler):
    """How much of the overviews is there."""

    def get(self) -> None:
        """Answer as JSON."""
        self.finish(self.scene.progress())


class Unit(SceneHandler):
    """What a unit is."""

    def get(self, number: str) -> None:
        """Answer as JSON."""
        if int(number) >= self.scene.lattice.units:
            raise HTTPError(404, reason=f"No such unit: there are {self.scene.lattice.units}")
        self.finish(self.scene.unit(int(number)))


class Pixel(SceneHandler):
    """What is at a pixel: /row/column."""

    async def get(self, row: str, column: str) -> None:
        """Answer as JSON."""
        height, width = self.scene.labels.size
        if int(row) >= height or int(column) >= width:
            raise HTTPError(404, reason=f"No such pixel: the image has {height} rows and {width} columns")
        found = await self.aside(lambda: self.scene.pixel(int(row), int(column)))
        if not self.closed:
            self.finish(found)


class Tile(SceneHandler):
    """A tile: /layer/steps/row/column, where each of the steps halves the image."""

    async def get(self, name: str, steps: str, row: str, column: str) -> None:
        """Answer with labels, deflated, row by row; or with a PNG of the original."""
        layer = self.scene.labels if name == "labels" else self.scene.original
        if layer is None:
            raise HTTPError(404, reason="There is no original")
        number, down, across = int(steps), int(row), int(column)
        height, width = (-(-length // (layer.side << number)) for length in layer.size)
        if number > self.scene.about["steps"] or down >= height or across >= width:
            raise HTTPError(404, reason="No such tile")

        def make() -> tuple[bytes, bool]:
            pixels, whole = layer.tile(1 << number, down, across, self.scene.background)
            return (zlib.compress(pixels.tobytes(), _FAST) if name == "labels" else png(pixels)), whole

        made = await self.aside(make)
        if made is None:
            return
        content, whole = made
        self.set_header("X-Whole", "1" if whole else "0")
        if whole:
            self.set_header("Cache-Control", LASTING)
        if name == "labels":
            self.set_header("Content-Type", "application/octet-stream")
            self.set_header("Content-Encoding", "deflate")
        else:
            self.set_header("Content-Type", "image/png")
        self.finish(content)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode an image of shape (height, width, 4), quickly."""
    opaque = (pixels[..., 3] == 255).all()
    written = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[..., :3]) if opaque else pixels).save(
        written, format="PNG", compress_level=_FAST
    )
    return written.getvalue()
