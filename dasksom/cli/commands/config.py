"""``dasksom config``: example configurations."""

from pathlib import Path

import click

from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import log_options
from dasksom.config.examples import example_names, example_text
from dasksom.errors import InputError


@click.command("config", cls=GroupedCommand)
@click.argument("name", required=False)
@click.argument("file_path", metavar="[FILE]", required=False)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@log_options
def command(name: str | None, file_path: str | None, overwrite: bool) -> None:
    """Write the example configuration NAME to FILE, or NAME.yaml, to edit it; list all without NAME.

    `quantize` explains every key; the others are clusters. Give the file to any command with --config.

    \b
    Examples:
      dasksom config
      dasksom config slurm
      dasksom config quantize my-run.yaml
    """  # noqa: D301 - click takes the character itself
    if name is None:
        for example in example_names():
            first_line = example_text(example).splitlines()[0]
            click.echo(f"{example:12} {first_line.lstrip('# ')}")
        return
    text = example_text(name)
    path = Path(file_path or f"{name}.yaml")
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(f"{path} exists; give another name, or --overwrite.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}. Give another name.") from error
    click.echo(path)
