"""The viewer's server: on this machine only, under a path that cannot be guessed, until Ctrl-C."""

import asyncio
import logging
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from importlib.resources.abc import Traversable

from tornado.httpserver import HTTPServer
from tornado.web import Application

from dasksom.errors import InputError
from dasksom.redaction import printable
from dasksom.view.class_handler import LARGEST_BODY, ClassHandler
from dasksom.view.class_session import ClassActions
from dasksom.view.handlers import (
    AboutHandler,
    AssetHandler,
    BandHandler,
    MissingHandler,
    PixelHandler,
    ProgressHandler,
    TileHandler,
    UnitHandler,
    ValueHandler,
)
from dasksom.view.live_scene import LiveScene

_ADDRESS = "127.0.0.1"
_TILE_THREADS = 4
_PAGE = files("dasksom.view").joinpath("page")
ASSETS = {"" if file.name == "index.html" else file.name: file for file in _PAGE.iterdir()}
"""Each file of the page that belongs to this package, by its path."""
_TILE_PATH = r"(labels|original)/(\d{1,9})/(\d{1,2})/(\d{1,9})/(\d{1,9})(?:/(\d{1,6}-\d{1,6}-\d{1,6}))?"
LEAFLET = ("leaflet.js", "leaflet.css")


def run_viewer(
    output: str,
    original: str | None = None,
    *,
    actions: ClassActions | None = None,
    port: int = 0,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve a page that shows an output, until Ctrl-C.

    Parameters
    ----------
    output : str
        Output of a run: .zarr, .ome.zarr, or a .tif or .png with a palette or labels.
    original : str, optional
        The image that it was made of; by default the one that the output names, if it is still there.
    actions : ClassActions, optional
        Group units and write classes; by default classes can only be edited and saved.
    port : int
        Port on the loopback interface; 0 selects a free one.
    browser : bool
        Whether to open the page in the user's browser.
    say : callable (str) -> None
        Receives the page's address.

    Raises
    ------
    InputError
        If the output holds no palette, the original is not of its size, the port is taken, or Leaflet, which moves the
        page's images, is not installed.
    """
    import dask

    leaflet = find_leaflet()
    with LiveScene(output, original, actions) as live, dask.config.set(scheduler="synchronous"):

        def opened(address: str) -> None:
            say(f"{address}  shows {printable(output)}; Ctrl-C stops it")
            if browser:  # some browsers block their caller
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

        try:
            asyncio.run(serve(live, leaflet, port, opened))
        except KeyboardInterrupt:
            say("stopped")


async def serve(live: LiveScene, leaflet: Traversable, port: int, opened: Callable[[str], None]) -> None:
    """Answer requests until cancelled; `opened` receives the page's address."""
    try:
        listening = socket.create_server((_ADDRESS, port))
    except (OSError, OverflowError) as error:
        raise InputError(f"port {port}: cannot be used ({error}); omit --port for a free one") from error
    logging.getLogger("tornado").setLevel(logging.CRITICAL)  # answers contain their errors
    token = secrets.token_urlsafe(16)
    with ThreadPoolExecutor(_TILE_THREADS, thread_name_prefix="tiles") as pool:
        server = HTTPServer(application(live, leaflet, token, pool), max_body_size=LARGEST_BODY, max_header_size=16384)
        listening.setblocking(False)
        server.add_socket(listening)
        opened(f"http://{_ADDRESS}:{listening.getsockname()[1]}/{token}/")
        try:
            await asyncio.Event().wait()
        finally:
            server.stop()
            await server.close_all_connections()
            pool.shutdown(wait=False, cancel_futures=True)


def application(live: LiveScene, leaflet: Traversable, token: str, pool: ThreadPoolExecutor) -> Application:
    """Return the application; all paths but those listed here are refused."""
    assets = ASSETS | {name: leaflet.joinpath(name) for name in LEAFLET}
    root, known = f"/{token}/", {"live": live, "pool": pool}
    return Application(
        [
            *((root + path, AssetHandler, {"file": file}) for path, file in assets.items()),
            (root + "about.json", AboutHandler, known),
            (root + "progress", ProgressHandler, known),
            (root + "classes", ClassHandler, known),
            (root + r"bands/(\d{1,6})/(\d{1,6})/(\d{1,6})", BandHandler, known),
            (root + "values", ValueHandler, known),
            (root + r"unit/(\d{1,9})", UnitHandler, known),
            (root + r"pixel/(\d{1,9})/(\d{1,9})", PixelHandler, known),
            (root + _TILE_PATH, TileHandler, known),
        ],
        default_handler_class=MissingHandler,
    )


def find_leaflet() -> Traversable:
    """Return the folder with Leaflet's files, which a package brings.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        folder = files("js_lib_leaflet").joinpath("static", "js_lib_leaflet")
    except ModuleNotFoundError:
        folder = None
    if folder is None or not all(folder.joinpath(name).is_file() for name in LEAFLET):
        raise InputError("the viewer needs Leaflet: pip install 'dasksom[view]'")
    return folder
