"""Request handlers of the viewer's server: the page, tiles, pixels, units and bands."""

import asyncio
import io
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tornado.web import HTTPError, RequestHandler

from dasksom.errors import DasksomError
from dasksom.redaction import printable
from dasksom.view.band_views import BandView
from dasksom.view.layers import Layer
from dasksom.view.live_scene import LiveScene

HOSTS = ("127.0.0.1", "localhost")
"""Names under which a browser may reach this server; others are of pages whose name was made to lead here."""
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
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_CACHED = "private, max-age=86400, immutable"
"""Of complete tiles; the next viewer, and the next version of the output, have other addresses."""
_FAST = 1


class BaseHandler(RequestHandler):
    """Answers requests to its own host name, in a form that no other page can use."""

    closed = False
    accepts_body = False

    def set_default_headers(self) -> None:
        """Let the page load nothing but its own files."""
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse other host names, by which pages of others could read from here (DNS rebinding)."""
        if self.request.host_name not in HOSTS:
            raise HTTPError(403, reason="Forbidden: call this server 127.0.0.1 or localhost")
        if self.request.body and not self.accepts_body:
            raise HTTPError(413, reason="Requests have no body here")

    def on_connection_close(self) -> None:
        """Note that the client has gone."""
        self.closed = True

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the error's message as JSON."""
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        message = str(error) if isinstance(error, DasksomError) else f"{type(error).__name__}: {error}"
        known = error is None or isinstance(error, HTTPError)
        self.finish({"error": self._reason if known else printable(" ".join(message.split()))})


class MissingHandler(BaseHandler):
    """Answers every unknown path."""

    def prepare(self) -> None:
        """Answer 404."""
        super().prepare()
        raise HTTPError(404)


class AssetHandler(BaseHandler):
    """A file of the page."""

    def initialize(self, file: Traversable) -> None:
        """Set the file."""
        self.file = file

    def get(self) -> None:
        """Answer with the file."""
        self.set_header("Content-Type", CONTENT_TYPES["." + self.file.name.rpartition(".")[2]])
        self.finish(self.file.read_bytes())


class SceneHandler(BaseHandler):
    """Answers from the scene that was opened, as long as its output is not replaced."""

    def initialize(self, live: LiveScene, pool: ThreadPoolExecutor) -> None:
        """Set the scene, and the threads that read."""
        self.live, self.pool = live, pool
        self.scene = live.scene

    def check_current(self) -> None:
        """Answer 410 if the output has been replaced: files of the new one would be shown in the old one's colors."""
        if not self.live.is_current() or self.live.scene is not self.scene:
            raise HTTPError(410, reason="The output has been replaced")

    def prepare(self) -> None:
        """Refuse strangers, and scenes of the past."""
        super().prepare()
        self.check_current()

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Run what reads files on a thread, unless the client has gone."""
        result = await asyncio.get_running_loop().run_in_executor(self.pool, lambda: None if self.closed else work())
        self.check_current()
        return result

    async def view_of(self, bands: Sequence[str] | None) -> BandView:
        """Return the view of three bands."""
        if bands is None:
            return self.scene.views.view()
        red, green, blue = map(int, bands)
        if max(red, green, blue) >= self.scene.about["bands"]:
            raise HTTPError(404, reason=f"No such band: there are {self.scene.about['bands']}")
        view: BandView = await self.in_thread(lambda: self.scene.views.view((red, green, blue)))
        return view


class AboutHandler(BaseHandler):
    """What the page needs before it asks for tiles; opens a replaced output again."""

    def initialize(self, live: LiveScene, pool: ThreadPoolExecutor) -> None:
        """Set the scene, and the threads that read."""
        self.live, self.pool = live, pool

    async def get(self) -> None:
        """Answer as JSON."""
        scene = await asyncio.get_running_loop().run_in_executor(self.pool, self.live.refresh)
        self.finish({**scene.about, "version": self.live.version})


class ProgressHandler(SceneHandler):
    """Progress of the overviews and of writing, the version of the classes, and whether the output is the shown one."""

    async def get(self) -> None:
        """Answer as JSON."""
        session = self.live.classes
        version = await self.in_thread(session.current_version)
        writing = session.writing.as_json()
        self.finish({"overviews": self.scene.progress(), "classes": version, "writing": writing})


class BandHandler(SceneHandler):
    """Three bands as red, green and blue: /band/band/band."""

    async def get(self, *bands: str) -> None:
        """Answer with their ranges and the colors of the units, as JSON."""
        view = await self.view_of(bands)
        if not self.closed:
            self.finish(view.about(self.scene.result.palette))


class ValueHandler(SceneHandler):
    """The values of all units."""

    def get(self) -> None:
        """Answer with numbers of 32 bits, deflated, unit by unit."""
        values = np.asarray(self.scene.result.palette, "<f4")
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Encoding", "deflate")
        self.finish(zlib.compress(values.tobytes(), _FAST))


class UnitHandler(SceneHandler):
    """A unit: /number."""

    def get(self, number: str) -> None:
        """Answer as JSON."""
        if int(number) >= self.scene.lattice.units:
            raise HTTPError(404, reason=f"No such unit: there are {self.scene.lattice.units}")
        self.finish(self.scene.unit(int(number)))


class PixelHandler(SceneHandler):
    """A pixel: /row/column."""

    async def get(self, row: str, column: str) -> None:
        """Answer as JSON."""
        height, width = self.scene.labels.size
        if int(row) >= height or int(column) >= width:
            raise HTTPError(404, reason=f"No such pixel: the image has {height} rows and {width} columns")
        pixel = await self.in_thread(lambda: self.scene.pixel(int(row), int(column)))
        if not self.closed:
            self.finish(pixel)


class TileHandler(SceneHandler):
    """A tile: /layer/version/steps/row/column/bands, where each of the steps halves the image."""

    async def get(self, name: str, version: str, steps: str, row: str, column: str, bands: str | None) -> None:
        """Answer with labels, deflated, row by row; or with a PNG of the original, by default of its first bands."""
        if int(version) != self.live.version:
            raise HTTPError(410, reason="The output has been replaced")
        layer: Layer | None = self.scene.labels
        if name != "labels":
            view = await self.view_of(None if bands is None else bands.split("-"))
            layer = view.original
        if layer is None:
            raise HTTPError(404, reason="There is no original")
        number, down, across = int(steps), int(row), int(column)
        height, width = (-(-length // (layer.side << number)) for length in layer.size)
        if number > self.scene.about["steps"] or down >= height or across >= width:
            raise HTTPError(404, reason="No such tile")

        def make() -> tuple[bytes, bool]:
            pixels, complete = layer.tile(1 << number, down, across, self.scene.background)
            return (zlib.compress(pixels.tobytes(), _FAST) if name == "labels" else encode_png(pixels)), complete

        made = await self.in_thread(make)
        if made is None:
            return
        content, complete = made
        self.set_header("X-Complete", "1" if complete else "0")
        if complete:
            self.set_header("Cache-Control", _CACHED)
        if name == "labels":
            self.set_header("Content-Type", "application/octet-stream")
            self.set_header("Content-Encoding", "deflate")
        else:
            self.set_header("Content-Type", "image/png")
        self.finish(content)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode an image of shape (height, width, 4) as PNG, quickly."""
    opaque = (pixels[..., 3] == 255).all()
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[..., :3]) if opaque else pixels).save(
        buffer, format="PNG", compress_level=_FAST
    )
    return buffer.getvalue()
