"""The example configurations: those of configs/, which a wheel holds as dasksom/configs."""

from pathlib import Path

from dasksom.errors import InputError, nearest_name

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
"""In an installed package; in a checkout."""


def _folder() -> Path:
    for folder in _FOLDERS:
        if folder.is_dir():
            return folder
    raise InputError("This installation of dasksom holds no example configurations; install it again.")


def example_names() -> tuple[str, ...]:
    """Return the names of the example configurations, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def example_text(name: str) -> str:
    """Return an example configuration as YAML, with its comments.

    Parameters
    ----------
    name : str
        One of `example_names`.

    Raises
    ------
    InputError
        There is none of this name.
    """
    if name not in example_names():
        names = example_names()
        raise InputError(f"no example configuration {name!r}; there are {', '.join(names)}{nearest_name(name, names)}")
    return (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
