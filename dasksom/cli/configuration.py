"""Convert the options of a command to the configuration of a run."""

import math
from collections.abc import Sequence
from typing import Any

import click

from dasksom import cluster, config, image
from dasksom.cli.startup import import_dask_array, import_numba
from dasksom.errors import InputError

_TLS_OPTIONS = {"ca": "--tls-ca-file", "cert": "--tls-cert", "key": "--tls-key"}
"""Options for the files of a TLS connection, by their key in a configuration."""


def config_from(options: dict[str, Any]) -> "config.RunConfig":
    """Read the configuration files given to a command, and override them with its other options.

    Raises
    ------
    InputError
    """
    import_dask_array()
    sections = {name: field.annotation for name, field in config.RunConfig.model_fields.items()}
    keys = {section: getattr(model, "model_fields", {}) for section, model in sections.items()}
    given = {name: value for name, value in options.items() if value != ()}  # of options that may be repeated
    values = {section: {name: given.get(name) for name in names} for section, names in keys.items()}
    if options.get("colors") is not None:
        values["map"]["grid"] = _grid_of(options["colors"], values["map"]["grid"])
    values["cluster"]["name"] = options.get("cluster")
    values["input"]["select"] = options.get("select") or None
    for name in ("component", "mask"):
        paths: tuple[str, ...] = tuple(options.get(name) or ())
        values["input"][name] = paths[0] if len(paths) == 1 else paths or None
    tls = {key: options.get(key) for key in _TLS_OPTIONS}
    values["cluster"]["tls"] = _complete(tls) if any(tls.values()) else None
    try:
        return config.load_config(options["config_paths"], values)
    except InputError as error:
        raise InputError(_naming_options(str(error), options["config_paths"], values)) from None


def _naming_options(message: str, files: Sequence[str], values: dict[str, dict[str, Any]]) -> str:
    """Replace the keys of values that were given as options by the names of these options."""
    for section, given in values.items():
        for name in (name for name, value in given.items() if value is not None):
            option = "--cluster" if (section, name) == ("cluster", "name") else f"--{name.replace('_', '-')}"
            for prefix in (f"{', '.join(map(str, files))}: ", ""):
                message = message.replace(f"{prefix}{section}.{name}: ", f"{option}: ")
    return message


def _grid_of(units: int, grid: str | None) -> str:
    """Return the lattice of a number of units that is nearest to a square."""
    if grid is not None:
        raise InputError("--colors and --grid both give the number of units; remove one of the two")
    rows = next(side for side in range(math.isqrt(units), 0, -1) if units % side == 0)
    return f"{rows}x{units // rows}"


def check_one_image(paths: Sequence[str], stack: bool) -> None:
    """Refuse several images where a command takes one.

    Raises
    ------
    InputError
    """
    if len(paths) > 1 and not stack:
        raise InputError(
            f"{image.shown(paths[0])}, {image.shown(paths[1])}: are several images, and this command takes one; add "
            "--stack if they are bands of one image; `train` and `apply` take several images"
        )
    if len(paths) > 1 and len(image.image_groups(paths, stack)) > 1:
        raise InputError(
            f"{image.shown(paths[0])}, {image.shown(paths[1])}: are two folders of bands, so two images, and this "
            "command takes one; `train` and `apply` take several"
        )


def _complete(tls: dict[str, str | None]) -> dict[str, str | None]:
    missing = [_TLS_OPTIONS[key] for key, path in tls.items() if path is None]
    if missing:
        raise InputError(f"{' and '.join(missing)}: missing; {', '.join(_TLS_OPTIONS.values())} are given together")
    return tls


def run_config(options: dict[str, Any]) -> "config.RunConfig":
    """Return the configuration of a run; of the processes of an allocation, only the one that runs returns."""
    given = config_from(options)
    import_numba()
    role = cluster.take_role(given.cluster.as_options())
    reached = click.get_current_context().with_resource(role)
    return given.model_copy(update={"cluster": given.cluster.reached_by(reached)})
