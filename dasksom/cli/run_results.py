"""Print results of commands to standard output."""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from dasksom.cli.log import LOG
from dasksom.redaction import printable

if TYPE_CHECKING:
    from dasksom.provenance.run_record import RunRecord


def print_line(text: str) -> None:
    """Print a line about work that is done; where standard output is closed or full, only log that.

    The output of the run is complete by then, so the command does not fail.
    """
    if LOG.is_quiet:
        return
    try:
        click.echo(printable(text))
    except OSError as error:
        LOG.error(f"standard output cannot be written ({error.strerror}); the run is complete all the same")
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends, which would flush it again


def print_record(record: "RunRecord") -> None:
    """Print a summary of a run in a few lines."""
    for line in record.lines():
        print_line(line)


def print_table(rows: Mapping[str, str]) -> None:
    """Print names and values in two columns."""
    width = max(map(len, rows), default=0)
    for name, value in rows.items():
        click.echo(f"{name:<{width}}  {printable(value)}")
