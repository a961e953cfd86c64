"""The command line: logging options, commands, and exit codes."""

import re
import signal
import sys
import traceback
from importlib import import_module
from typing import NoReturn

import click

from dasksom._version import __version__
from dasksom.cli.log import LOG, log_options
from dasksom.errors import DasksomError, InputError, nearest_name
from dasksom.redaction import redact

COMMANDS = {
    "quantize": "Reduce an image to the colors of a map.",
    "train": "Train a map on one or several images, and save it.",
    "apply": "Write images in the colors of a saved map or a palette.",
    "classes": "Group the units of an output into named classes.",
    "table": "List pixels, areas and band statistics by class.",
    "resume": "Continue an interrupted run.",
    "verify": "Check an output against its checksums.",
    "report": "Write the report of a run as an HTML page.",
    "view": "Show an output in the browser, and edit its classes.",
    "palette": "Write the colors of a map for other programs.",
    "plan": "Show passes, memory and time of a run before it.",
    "config": "Write an example configuration.",
    "job-script": "Print the script of a batch job.",
    "info": "Show what an image or another file holds.",
    "demo": "Quantize an example photograph, or a gigapixel mosaic.",
}
"""Each is a module of `dasksom.cli.commands`, imported when it is named."""


class CommandGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named first; suggest the nearest name for an unknown one."""
        hint = nearest_name(arguments[0], COMMANDS)
        if hint and arguments[0] not in COMMANDS and not context.resilient_parsing:  # completion parses so
            raise InputError(f"there is no command {arguments[0]!r}{hint}")
        return super().resolve_command(context, arguments)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        """Import a command; None for an unknown name."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"dasksom.cli.commands.{name.replace('-', '_')}").command
        return command


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dasksom")
@log_options
def cli() -> None:
    """Reduce the colors of an image of any size with a self-organizing map that is trained on every pixel.

    \b
    Examples:
      dasksom demo
      dasksom quantize photo.png reduced.png --grid 3x3
      dasksom quantize slide.tif slide.zarr --workers 2 --memory-limit 1GiB
      dasksom train scene.zarr palette.npz --grid 16x16 --epochs 30
      dasksom apply palette.npz slide.tif again.zarr
      dasksom report slide.zarr
    """  # noqa: D301 - click takes the character itself


def _fail(error: BaseException, code: int, text: str) -> NoReturn:
    if "--debug" in sys.argv:
        LOG.error(redact("".join(traceback.format_exception(error))).rstrip())
    LOG.error(redact(text))
    _print_notes(error)
    sys.exit(code)


def _nearest_choice(error: click.ClickException) -> str:
    """Return the accepted name that a refused value may mean, as `nearest_name`."""
    refused = re.match(r"'(.+)' is not one of ", error.message)
    kind = getattr(getattr(error, "param", None), "type", None)
    return nearest_name(refused[1], kind.choices) if refused and isinstance(kind, click.Choice) else ""


def _print_notes(error: BaseException) -> None:
    interrupt = error.__cause__ if isinstance(error, click.Abort) else error
    for note in getattr(interrupt, "__notes__", ()):
        LOG.error(note)


def main() -> None:
    """Run the command line: exit 0 done, 2 bad input, 1 failed, 129, 130 or 143 interrupted."""
    # SIGTERM of a batch system and SIGHUP of a closing terminal end the process like Ctrl-C, through every
    # `finally`; signals that `nohup` ignores remain ignored.
    for ending in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, lambda number, _: sys.exit(128 + number))
    LOG.configure(verbose=False, quiet=False, debug=False, as_json=False)
    try:
        code = cli(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        if LOG.as_json or (isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)):
            _fail(error, 2, error.format_message().rstrip(".") + _nearest_choice(error))
        error.show()
        sys.exit(2)
    except SystemExit as error:  # of a signal
        _print_notes(error)
        raise
    except (KeyboardInterrupt, click.Abort) as error:
        _fail(error, 130, "interrupted")
    except DasksomError as error:
        _fail(error, error.exit_code, " ".join(str(error).split()))
    except Exception as error:  # unforeseen errors also end in one line; --debug shows the traceback
        _fail(error, 1, f"{type(error).__name__}: {error} (dasksom --debug ... shows where)")
