"""Read YAML configuration files strictly, and report positions of errors."""

import re
from pathlib import Path
from typing import Any

import yaml

from dasksom.errors import InputError

MOST_CONFIG_BYTES = 1 << 20


class _RefusedError(yaml.MarkedYAMLError):
    """Valid YAML that configuration files do not accept."""


class _Plain(yaml.SafeLoader):
    """A safe YAML loader without the pitfalls of YAML 1.1.

    Duplicate keys are rejected (PyYAML silently keeps the last one), as are aliases, which can expand a few lines to
    gigabytes. Only decimal numbers are parsed as numbers: 1e-4 is one; 12:30:45 (45045 in YAML 1.1), 010 (8) and no
    (false) are text.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _RefusedError(problem="aliases (*name) are not accepted", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise _RefusedError(
                    problem=f"the key {key!r} is given twice", problem_mark=node.value[number][0].start_mark
                )
        return super().construct_mapping(node, deep)


_Plain.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
):
    _Plain.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def read_yaml(path: Path) -> Any:
    """Read a configuration file.

    Raises
    ------
    InputError
        If it is not accepted; the message names the position.
    """
    try:
        if not path.is_file() and path.exists():
            raise InputError(f"{path}: is no file (a folder, pipe or device); a configuration is a YAML file")
        if path.stat().st_size > MOST_CONFIG_BYTES:
            raise InputError(f"{path}: {path.stat().st_size} bytes; a configuration has at most {MOST_CONFIG_BYTES}")
        return yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Plain)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a YAML file that can be used: byte {error.start} is no UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a YAML file that can be used: {_place_of(error)}") from None


def _place_of(error: Exception) -> str:
    """Describe an error and its position without quoting the file, which may contain passwords."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    mark = getattr(error, "problem_mark", None)
    where = "" if mark is None else f" in line {mark.line + 1}, column {mark.column + 1}"
    if isinstance(error, _RefusedError):
        return f"{error.problem}{where}"
    kinds = {
        yaml.constructor.ConstructorError: "a value of a kind (a tag, !name) that is not accepted",
        yaml.composer.ComposerError: "a second document, or an anchor, which are not accepted,",
        yaml.scanner.ScannerError: "signs that have no place there (a tab, a colon or quote too many or too few)",
        yaml.parser.ParserError: "something else than was to come there (a bracket or comma too many or too few)",
    }
    problem = next((text for kind, text in kinds.items() if isinstance(error, kind)), "signs that are no text")
    return f"{problem}{where}; put text with such signs into quotes"
