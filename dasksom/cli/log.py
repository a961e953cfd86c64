"""Messages on standard error: plain lines, or one JSON object per line; and the options that choose."""

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import click

from dasksom.cli.help_pages import option, options_group
from dasksom.redaction import printable


class JsonFormatter(logging.Formatter):
    """Format log records as JSON objects, for programs that read them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        fields = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(fields)


class PlainFormatter(logging.Formatter):
    """Format log records for a terminal, without control characters from file names."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line, more for a traceback."""
        return printable(super().format(record))


class MessageLog:
    """The message log of this process; a single object, configured by the options of a command."""

    def __init__(self) -> None:
        self.as_json = self.is_quiet = False
        self._handler: logging.Handler | None = None

    def configure(self, *, verbose: bool, quiet: bool, debug: bool, as_json: bool) -> None:
        """Begin to log the messages of this package, in place of an earlier configuration.

        Parameters
        ----------
        verbose, debug : bool
            Whether to log from INFO or from DEBUG on.
        quiet : bool
            Whether to log errors only, and to report no progress.
        as_json : bool
            Whether all of standard error is JSON: messages of other libraries and Python's warnings too.
        """
        self.as_json, self.is_quiet = as_json, quiet
        root, ours = logging.getLogger(), logging.getLogger("dasksom")
        if self._handler is not None:
            for logger in (root, ours):
                logger.removeHandler(self._handler)
        self._handler = logging.StreamHandler(sys.stderr)
        self._handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
        (root if as_json else ours).addHandler(self._handler)
        logging.captureWarnings(as_json)
        level = logging.DEBUG if debug else logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING
        ours.setLevel(level)
        # while waiting for a cluster, show the reason and the dashboard
        logging.getLogger("dasksom.cluster").setLevel(level if debug or quiet else logging.INFO)
        logging.getLogger("dasksom.progress").setLevel(level if quiet else logging.INFO)
        if not debug:  # damaged files are reported in one line, by this package
            logging.getLogger("tifffile").setLevel(logging.CRITICAL)

    def error(self, text: str) -> None:
        """Write the error message of a failed command."""
        if self.as_json:
            logging.getLogger("dasksom").error("%s", text)
        else:
            click.echo(f"dasksom: {printable(text)}", err=True)


LOG = MessageLog()


def _configure_log(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Configure the log from the options before and after the name of the command."""
    if not value:
        return
    given = context.find_root().meta.setdefault("dasksom.log", {})
    given[parameter.name] = True
    LOG.configure(**{name: name in given for name in ("verbose", "quiet", "debug", "as_json")})


def _log_option(*names: str, text: str) -> Callable[[Any], Any]:
    return option(*names, is_flag=True, expose_value=False, is_eager=True, callback=_configure_log, help=text)


log_options = options_group(
    "Messages",
    _log_option("-v", "--verbose", text="Log what happens."),
    _log_option("-q", "--quiet", text="Print errors and requested results only."),
    _log_option("--debug", text="Log everything, and show tracebacks."),
    _log_option("--log-json", "as_json", text="Write the log as JSON, one object per line."),
)
