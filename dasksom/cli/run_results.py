"""Print results of commands to standard output."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from dasksom.cli.log import LOG
from dasksom.deferred import deferred
from dasksom.image.writers.options import holds_labels
from dasksom.redaction import printable

if TYPE_CHECKING:
    from dasksom.classes.unit_tables import Columns
    from dasksom.provenance.run_record import RunRecord

_as_csv: "Callable[[Columns], str]" = deferred("dasksom.classes.table_files:as_csv")


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


def print_record(record: "RunRecord", *, names_next: bool = True) -> None:
    """Print a summary of a run in a few lines; the last one names the commands that come next."""
    for line in record.lines():
        print_line(line)
    if names_next and (commands := _next_commands(record)):
        print_line(f"next: {commands}")


def _next_commands(record: "RunRecord") -> str:
    """Return the commands that a person may want after a run."""
    output = shlex.quote(record.output)
    if record.output.endswith(".npz"):
        return f"dasksom apply {output} IMAGE OUTPUT"
    options = record.config.get("output", {})
    pixels = str(options.get("pixels", "auto")) if options.get("image", True) else "labels"
    _, _, bands = record.size or (0, 0, 0)
    is_read_again = holds_labels(record.output, dtype=str(record.dtype), bands=bands, units=record.units, pixels=pixels)
    if "://" in output or not is_read_again:
        return f"dasksom verify {output}"
    return f"dasksom view {output}" + ("" if record.report else f", or dasksom report {output}")


def print_columns(columns: "Columns", *, as_text: bool) -> None:
    """Print a table: as text for people, or as CSV."""
    if not as_text:
        click.echo(_as_csv(columns), nl=False)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for name, values in columns.items():
        is_text = any(isinstance(value, str) for value in values)
        table.add_column(printable(name), justify="left" if is_text else "right", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(_shown(value) for value in row))
    Console(soft_wrap=True).print(table, markup=False)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else printable(str(value))


def print_table(rows: Mapping[str, str]) -> None:
    """Print names and values in two columns."""
    width = max(map(len, rows), default=0)
    for name, value in rows.items():
        click.echo(f"{name:<{width}}  {printable(value)}")
