"""Requests that read and change classes; the only ones with a body."""

import asyncio
import json
from typing import Any

from tornado.web import HTTPError

from dasksom.errors import InputError
from dasksom.redaction import printable
from dasksom.view.class_session import ConflictError
from dasksom.view.handlers import SceneHandler

LARGEST_BODY = 1 << 20
"""Bytes of a request: enough for a list of all units of the largest map."""


class ClassHandler(SceneHandler):
    """The classes: read by GET, changed by POST of JSON, as `ClassSession.change` describes it."""

    accepts_body = True

    async def get(self) -> None:
        """Answer with the present classes as JSON."""
        self.finish(await self.in_thread(self.live.classes.state))

    async def post(self) -> None:
        """Change the classes, and answer with the new ones as JSON; 409 with the present ones on a conflict."""
        self.check_origin()
        session, request = self.live.classes, self._request()
        run = asyncio.get_running_loop().run_in_executor
        try:
            state = await run(self.pool, session.change, request)  # also if the client has gone
        except ConflictError as error:
            self.set_status(409)
            state = {**await run(self.pool, session.state), "error": str(error)}
        except InputError as error:
            self.set_status(400)
            state = {**await run(self.pool, session.state), "error": printable(str(error))}
        self.finish(state)

    def check_origin(self) -> None:
        """Refuse requests that another page sends: browsers add their page's origin to each request that changes."""
        if self.request.headers.get("Origin") != f"http://{self.request.host}":
            raise HTTPError(403, reason="Forbidden: only the viewer's own page changes classes")
        if self.request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise HTTPError(415, reason="Classes are changed by JSON")

    def _request(self) -> dict[str, Any]:
        try:
            content = json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise HTTPError(400, reason="Not JSON") from None
        if not isinstance(content, dict):
            raise HTTPError(400, reason="Not a JSON object")
        return content
