"""Features that are arithmetic of bands, such as ``(B08 - B04) / (B08 + B04)``.

A formula holds names of bands, numbers, parentheses and ``+ - * / **``. It is parsed, and checked against the names,
before anything is read; nothing of it is run as code.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError

_MOST_SIGNS = 300
"""Longest formula, in characters; parsing of longer ones could exhaust the stack."""
_MOST_POWER = 16
"""Largest exponent."""
_LARGEST_NUMBER = 1e100

_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_SIGNS: dict[type, Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_ACCEPTED = "names of bands, numbers, parentheses and + - * / ** are accepted"


@dataclass(frozen=True)
class Formula:
    """A feature computed from bands; make it with `parse_formula`."""

    name: str
    text: str
    """The formula, in which the name of the band with the number n is ``b<n>``."""

    def compute(self, bands: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the feature of samples (n, bands), float64: shape (n,); NaN for a division by zero."""
        tree = ast.parse(self.text, mode="eval").body
        with np.errstate(all="ignore"):
            result = np.asarray(_value_of(tree, bands), np.float64)
        return np.broadcast_to(np.where(np.isfinite(result), result, np.nan), bands.shape[:1])


def parse_formula(given: str, names: Sequence[str]) -> Formula:
    """Parse ``name=formula``.

    Parameters
    ----------
    given : str
    names : sequence of str
        Names of the bands, which may hold any characters. Bands can also be written b0, b1 ...

    Raises
    ------
    InputError
        If it is not arithmetic of these names.
    """
    name, equals, text = (part.strip() for part in given.partition("="))
    if not equals or not name or not text:
        raise InputError(f"feature {given!r}: NAME=FORMULA is expected, such as ndvi=(B08-B04)/(B08+B04)")
    if len(text) > _MOST_SIGNS:
        raise InputError(f"feature {name}: a formula of {len(text)} characters; at most {_MOST_SIGNS} are accepted")
    numbers = {f"b{number}": number for number in range(len(names))} | {one: at for at, one in enumerate(names)}
    try:
        tree = ast.parse(_with_numbers(text, numbers), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"feature {name}: {text!r} is not arithmetic; {_ACCEPTED}") from None
    _check(tree, name, len(names), names)
    return Formula(name, ast.unparse(tree))


def _with_numbers(text: str, numbers: Mapping[str, int]) -> str:
    """Replace the names of bands by their numbers: names may hold characters that are no Python, such as CD3-e."""
    longest_first = sorted(numbers, key=len, reverse=True)
    known = re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, longest_first))})(?![\w.])")
    return known.sub(lambda match: f"b{numbers[match.group()]}", text)


def _check(node: ast.AST, feature: str, bands: int, names: Sequence[str]) -> None:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        if isinstance(node.op, ast.Pow) and not (_is_number(node.right) and 0 <= node.right.value <= _MOST_POWER):  # type: ignore[attr-defined]
            raise InputError(f"feature {feature}: an exponent is a number from 0 to {_MOST_POWER}")
        _check(node.left, feature, bands, names)
        _check(node.right, feature, bands, names)
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
        _check(node.operand, feature, bands, names)
    elif isinstance(node, ast.Name):
        if not re.fullmatch(r"b\d+", node.id) or int(node.id[1:]) >= bands:
            known = ", ".join(names) or f"b0 to b{bands - 1}"
            raise InputError(f"feature {feature}: there is no band {node.id!r}; there are {known}")
    elif not _is_number(node):
        raise InputError(f"feature {feature}: {ast.unparse(node)!r} is not accepted; {_ACCEPTED}")


def _is_number(node: ast.AST) -> bool:
    value: Any = node.value if isinstance(node, ast.Constant) else None
    return type(value) in (int, float) and abs(value) < _LARGEST_NUMBER


def _value_of(node: ast.AST, bands: NDArray[np.float64]) -> Any:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value_of(node.left, bands), _value_of(node.right, bands))
    if isinstance(node, ast.UnaryOp):
        return _SIGNS[type(node.op)](_value_of(node.operand, bands))
    if isinstance(node, ast.Name):
        return bands[:, int(node.id[1:])]
    return np.float64(node.value)  # type: ignore[attr-defined]
