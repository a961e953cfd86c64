"""The command line: arguments -> RunConfig -> pipeline; errors as a person reads them."""

import logging
import signal
import sys
import traceback
from typing import NoReturn

import click

from dasksom._version import __version__
from dasksom.cli import inspect_commands as looking
from dasksom.cli import run_commands as running
from dasksom.cli.progress import JsonFormatter
from dasksom.errors import DasksomError
from dasksom.redaction import printable, redact


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dasksom")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens.")
@click.option("--debug", is_flag=True, help="Show tracebacks and log everything.")
@click.option("--log-json", is_flag=True, help="Write the log as JSON, an object a line.")
def cli(verbose: bool, debug: bool, log_json: bool) -> None:
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
    handler = logging.StreamHandler()  # for our own messages alone: other libraries keep their ways
    handler.setFormatter(JsonFormatter() if log_json else logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("dasksom")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING)
    if not debug:  # whoever waits for a cluster wants to know for what, and where to watch it
        logging.getLogger("dasksom.cluster").setLevel(logging.INFO)
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is damaged is said in one line, by us


for _command in (
    running.quantize,
    running.train,
    running.apply,
    running.resume,
    looking.verify_output,
    looking.report,
    looking.view,
    looking.palette,
    running.plan,
    running.print_job_script,
    looking.info,
    running.demo,
):
    cli.add_command(_command)


def _fail(error: BaseException, code: int, text: str) -> NoReturn:
    if "--debug" in sys.argv:
        click.echo(redact("".join(traceback.format_exception(error))).rstrip(), err=True)
    click.echo(f"dasksom: {printable(redact(text))}", err=True)
    _tell_notes(error)
    sys.exit(code)


def _tell_notes(error: BaseException) -> None:
    interrupt = error.__cause__ if isinstance(error, click.Abort) else error
    for note in getattr(interrupt, "__notes__", ()):
        click.echo(f"dasksom: {note}", err=True)


def main() -> None:
    """Run the command line: exit 0 done, 2 bad input, 1 failed, 129, 130 or 143 interrupted."""
    # A batch system's SIGTERM, and the SIGHUP of a terminal that closes, take the same way out as Ctrl-C, past every
    # `finally`; what `nohup` has ignored stays so.
    for ending in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, lambda number, _: sys.exit(128 + number))
    try:
        code = cli(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.BadParameter as error:
        _fail(error, 2, error.format_message())
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except SystemExit as error:  # of a signal
        _tell_notes(error)
        raise
    except (KeyboardInterrupt, click.Abort) as error:
        _fail(error, 130, "interrupted")
    except DasksomError as error:
        _fail(error, error.exit_code, " ".join(str(error).split()))
    except Exception as error:  # what nobody foresaw still ends in one line; --debug shows the rest
        _fail(error, 1, f"{type(error).__name__}: {error} (dasksom --debug ... shows where)")
