"""Merge configuration files and command-line options, and check the result."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from dasksom.cluster import check_options
from dasksom.config.sections import RunConfig
from dasksom.deferred import deferred
from dasksom.errors import InputError, nearest_name

_read_yaml = deferred("dasksom.config.yaml_files:read_yaml")
Paths = str | Path | Sequence[str | Path] | None


def load_config(paths: Paths, given: dict[str, dict[str, Any]]) -> RunConfig:
    """Read configuration files, if any, and override them with command-line options.

    Parameters
    ----------
    paths : path of a YAML file, or several; later files override earlier ones key by key
    given : dict of section to dict of field to value
        None means "not given".

    Raises
    ------
    InputError
        For an unreadable file, an unknown key (the message suggests the nearest known one), or an invalid value.
    """
    files = [] if paths is None else [paths] if isinstance(paths, str | Path) else list(paths)
    path = ", ".join(map(str, files)) or None
    content: dict[str, Any] = {}
    for file in files:
        content = _merged(content, _sections_in(Path(file).expanduser()))
    if isinstance(cluster := content.get("cluster"), dict) and "allow_shell" in cluster:
        raise InputError(f"{path}: cluster.allow_shell: a file cannot allow itself commands; give --allow-shell")
    for section, values in given.items():
        options = {name: value for name, value in values.items() if value is not None}
        if options and not isinstance(content.setdefault(section, {}), dict):
            raise InputError(
                f"{path}: {section}: a mapping of its keys is expected, not a {type(content[section]).__name__}"
            )
        if options:
            content[section] = {**content[section], **options}
    try:
        config = RunConfig.model_validate(content)
    except ValidationError as error:
        raise InputError("; ".join(_explain(problem, path) for problem in error.errors())) from None
    check_options(config.cluster.as_options())
    config.output.options()
    return config


def _sections_in(path: Path) -> dict[str, Any]:
    content = _read_yaml(path)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: the sections {', '.join(RunConfig.model_fields)} are expected; found a {type(content).__name__}"
        )
    return {name: {} if section is None else section for name, section in content.items()}


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge two mappings recursively; values of `over` win."""
    both = {**under, **over}
    for key in under.keys() & over.keys():
        if isinstance(under[key], dict) and isinstance(over[key], dict):
            both[key] = _merged(under[key], over[key])
    return both


_IN_WORDS = {
    "tuple_type": "two numbers are expected, such as [3, 0.5]",
    "model_type": "a mapping of its keys is expected",
}
"""Descriptions of types that replace those of pydantic."""


def _explain(problem: Any, path: str | None) -> str:
    place = [str(part) for part in problem["loc"]]
    name = ".".join(place)
    prefix = f"{path}: " if path is not None else ""
    if problem["type"] == "extra_forbidden":
        owner: Any = RunConfig
        for part in place[:-1]:
            annotation = owner.model_fields[part].annotation
            owner = next(one for one in (annotation, *get_args(annotation)) if hasattr(one, "model_fields"))
        known = [key for key, field in owner.model_fields.items() if not field.exclude]
        hint = nearest_name(place[-1], known) or f"; known are {', '.join(known)}"
        return f"{prefix}unknown key {name!r}{hint}"
    message = _IN_WORDS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return f"{prefix}{name}: {message}"
