"""Names whose modules are imported on first use: entries of tables, of which a run needs one, and public names."""

from collections.abc import Callable, Mapping
from importlib import import_module
from operator import attrgetter
from typing import Any


def resolve(home: str) -> Any:
    """Import the object that is named by its module and name, such as ``dasksom.image.tiff.source:open_tiff``."""
    module, name = home.split(":")
    return attrgetter(name)(import_module(module))


def deferred(home: str) -> Callable[..., Any]:
    """Return a function that imports another one when it is called, and calls it.

    Parameters
    ----------
    home : str
        Module and function, as for `resolve`.
    """

    def call(*arguments: Any, **options: Any) -> Any:
        return resolve(home)(*arguments, **options)

    call.__name__ = call.__qualname__ = home.split(":")[1]
    return call


def names_on_use(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package, which imports a public name when it is first used.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    modules : mapping of str to str
        Public names, separated by spaces, by the module that defines them.
    """
    homes = {name: f"{module}:{name}" for module, names in modules.items() for name in names.split()}

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return resolve(homes[name])

    return find
