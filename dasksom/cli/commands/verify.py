"""``dasksom verify``: compare an output with its checksums."""

from typing import Any

import click

from dasksom import image
from dasksom.cli.configuration import config_from
from dasksom.cli.help_pages import GroupedCommand
from dasksom.cli.log import LOG, log_options
from dasksom.cli.run_results import print_line
from dasksom.errors import DasksomError

_MOST_NAMED = 20
"""Files that are named."""


@click.command("verify", cls=GroupedCommand)
@click.argument("output_path", metavar="OUTPUT")
@click.option("--config", "config_paths", multiple=True, metavar="FILE", help="YAML file with input.storage, for URLs.")
@log_options
def command(output_path: str, **options: Any) -> None:
    """Check every file of OUTPUT against its checksum and list those that are modified, truncated, missing or new.

    Zarr outputs contain the SHA-256 of each of their files (also for `sha256sum -c palette/SHA256SUMS`), other formats
    their own. Exit code 1 if any file differs.

    \b
    Example:
      dasksom verify slide-som.ome.zarr
    """  # noqa: D301 - click takes the character itself
    files = wrong = 0
    for checked in image.verify(output_path, config_from(options).input.storage):
        files += 1
        if checked.problem is not None:
            wrong += 1
            if wrong <= _MOST_NAMED:
                LOG.error(f"{checked.name}: {checked.problem}")
    if wrong:
        raise DasksomError(f"{output_path}: {wrong} of {files} files do not match their checksums; write it again")
    print_line(f"{output_path}: {files} {'file matches its checksum' if files == 1 else 'files match their checksums'}")
