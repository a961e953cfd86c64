"""Names with optional numbers, such as ``percentile:99.9``: how scalings and transforms are given."""

from collections.abc import Mapping
from typing import Protocol

from dasksom.errors import InputError


class Choice(Protocol):
    """An entry of a dict of scalings or transforms."""

    @property
    def defaults(self) -> tuple[float, ...]:
        """Numbers that follow the name, with their defaults."""

    def check(self, numbers: tuple[float, ...]) -> str:
        """Return the accepted numbers, in words, if these are not; "" if they are."""


def described(choices: Mapping[str, Choice]) -> str:
    """Return the names in a dict, with their numbers in brackets.

    >>> from dasksom.som.features.transforms import TRANSFORMS
    >>> described(TRANSFORMS)
    'none, log1p, sqrt, arcsinh[:5]'
    """
    return ", ".join(
        name + (f"[:{','.join(f'{number:g}' for number in choice.defaults)}]" if choice.defaults else "")
        for name, choice in choices.items()
    )


def is_choice(text: object, choices: Mapping[str, Choice]) -> bool:
    """Return whether a text is a name with numbers that `parse_choice` accepts."""
    try:
        parse_choice(text, choices, "")
    except InputError:
        return False
    return True


def parse_choice(text: object, choices: Mapping[str, Choice], parameter: str) -> tuple[str, tuple[float, ...]]:
    """Split ``name`` or ``name:number,number`` into the name and its numbers.

    Raises
    ------
    InputError
        If the name is not in the dict, or the numbers are not those that it takes.
    """
    name, colon, given = text.partition(":") if isinstance(text, str) else ("", "", "")
    if name not in choices:
        raise InputError(f"{parameter}: {text!r} is not one of {described(choices)}")
    choice = choices[name]
    try:
        numbers = tuple(float(number) for number in given.split(",")) if colon else choice.defaults
    except ValueError:
        numbers = ()
    if len(numbers) != len(choice.defaults) or (problem := choice.check(numbers)):
        wanted = problem if len(numbers) == len(choice.defaults) else f"{len(choice.defaults) or 'no'} number(s)"
        raise InputError(f"{parameter}: {text!r}: {name} takes {wanted}, as in {described({name: choice})}")
    return name, numbers
