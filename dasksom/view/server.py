"""The server of a viewer: on this machine alone, under a path that nobody can guess, until Ctrl-C."""

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

import dask
from tornado.httpserver import HTTPServer
from tornado.web import Application

from dasksom.errors import InputError
from dasksom.image import open_result
from dasksom.view.handlers import Asset, Missing, Pixel, Progress, Tell, Tile, Unit
from dasksom.view.scene import Scene

ADDRESS = "127.0.0.1"
TILE_THREADS = 4
ASSETS = {
    "": "index.html",
    "viewer.css": "viewer.css",
    "viewer.js": "viewer.js",
    "tiles.js": "tiles.js",
    "linked.js": "linked.js",
    "lattice.js": "lattice.js",
}
"""Path of each file of the page that is ours."""
LEAFLET = ("leaflet.js", "leaflet.css")


def view(
    output: str,
    original: str | None = None,
    *,
    port: int = 0,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve a page to look at an output with, until Ctrl-C.

    Parameters
    ----------
    output : str
        What a run wrote: .zarr, .ome.zarr, or a paletted .tif.
    original : str, optional
        The image that it was made of; by default the one that the output names, if it is still there.
    port : int
        Where to listen, on the loopback interface alone; 0 is a free one.
    browser : bool
        Whether to open the page in the person's browser.
    say : callable (str) -> None
        Gets the page's address.

    Raises
    ------
    InputError
        For an output that holds no palette, an original that is not of its size, a port that is taken, or where
        Leaflet, which moves the page's images, is not installed.
    """
    leaflet = find_leaflet()
    with open_result(output) as result, dask.config.set(scheduler="synchronous"):
        scene = Scene.of(result, original)

        def opened(address: str) -> None:
            say(f"{address}  shows {output}; Ctrl-C stops it")
            if browser:  # some browsers hold up whoever calls them
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

        try:
            asyncio.run(serve(scene, leaflet, port, opened))
        except KeyboardInterrupt:
            say("stopped")
        finally:
            scene.close()


async def serve(scene: Scene, leaflet: Traversable, port: int, opened: Callable[[str], None]) -> None:
    """Answer until cancelled; `opened` gets the page's address as soon as there is one."""
    try:
        listening = socket.create_server((ADDRESS, port))
    except (OSError, OverflowError) as error:
        raise InputError(f"port {port}: cannot be listened on ({error}); leave --port out for a free one") from error
    logging.getLogger("tornado").setLevel(logging.CRITICAL)  # answers tell of errors themselves
    token = secrets.token_urlsafe(16)
    with ThreadPoolExecutor(TILE_THREADS, thread_name_prefix="tiles") as pool:
        server = HTTPServer(application(scene, leaflet, token, pool), max_body_size=1, max_header_size=16384)
        listening.setblocking(False)
        server.add_socket(listening)
        opened(f"http://{ADDRESS}:{listening.getsockname()[1]}/{token}/")
        try:
            await asyncio.Event().wait()
        finally:
            server.stop()
            await server.close_all_connections()
            pool.shutdown(wait=False, cancel_futures=True)


def application(scene: Scene, leaflet: Traversable, token: str, pool: ThreadPoolExecutor) -> Application:
    """Give what answers; everything but the paths listed here is refused."""
    own = files("dasksom.view").joinpath("page")
    assets = {path: own.joinpath(name) for path, name in ASSETS.items()}
    assets |= {name: leaflet.joinpath(name) for name in LEAFLET}
    root, known = f"/{token}/", {"scene": scene, "pool": pool}
    return Application(
        [
            *((root + path, Asset, {"file": file}) for path, file in assets.items()),
            (root + "about.json", Tell, known),
            (root + "progress", Progress, known),
            (root + r"unit/(\d{1,9})", Unit, known),
            (root + r"pixel/(\d{1,9})/(\d{1,9})", Pixel, known),
            (root + r"(labels|original)/(\d{1,2})/(\d{1,9})/(\d{1,9})", Tile, known),
        ],
        default_handler_class=Missing,
    )


def find_leaflet() -> Traversable:
    """Give the folder with Leaflet's files, which pip brought.

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
        raise InputError("the viewer moves its images by Leaflet: pip install 'dasksom[view]'")
    return folder
