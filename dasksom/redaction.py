"""Remove secrets and control characters from texts and settings before they are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

_USER_INFO = re.compile(
    r"(?<=://)(?:[^/@\s]*@|[^/@\s:]*:(?!\d{1,5}/)[^@\s]*@"
    r"|(?!localhost:|\[|[^/@\s:]*\.)[^/@\s:]*:\d{1,5}/[^@\s]*@(?=[^/@\s]+/))"
)
"""Of URLs; a password may contain slashes, but `host.name:8080/a@b/` and `host:8080/a@b` are ports with paths."""
_QUERY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s?#'\"<>]*)[?#][^\s'\"<>]*")
_HIDDEN_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|credential|auth|signature|sas|"
    r"(?:api|access|account|private|shared)[-_ ]?key"
)
_SECRET_NAME = re.compile(rf"{_HIDDEN_NAMES}|^key$", re.IGNORECASE)
_SECRET_FIELD = re.compile(rf"(?<![\w-])([\w-]*(?:{_HIDDEN_NAMES})[\w-]*\s*[=:]\s*)([^\s;,&'\"]+)", re.IGNORECASE)
"""Field of a connection string or header, such as AccountKey=... or x-api-key: ..."""
_ENVIRONMENT = re.compile(r"env(ironment|_vars|_extra)?", re.IGNORECASE)
"""Settings that are mappings of variables, any of which may be secret."""
_ASSIGNED = re.compile(r"\b[A-Z_][A-Z0-9_]{2,}=(\S{4,})")


def redact(text: str) -> str:
    """Return a text without the users, passwords, queries and fragments of the URLs in it.

    Examples
    --------
    >>> redact("GET https://me:word@host/a.tif?sig=abc failed")
    'GET https://host/a.tif failed'
    """
    return _QUERY.sub(r"\1", _USER_INFO.sub("", text))


def redact_settings(value: Any, name: str = "") -> Any:
    """Return settings as they may be kept and shown: what is called a secret, or is a variable's value, is hidden.

    Parameters
    ----------
    value : JSON
    name : that it is the value of

    Examples
    --------
    >>> redact_settings({"queue": "day", "auth_token": "abc", "env_vars": {"HOME": "/me"}, "image": "s3://k:s@b/a?x=1"})
    {'queue': 'day', 'auth_token': '***', 'env_vars': {'HOME': '***'}, 'image': 's3://b/a'}
    """
    if isinstance(value, Mapping):
        hidden = _hides_all(name)
        return {key: _hide(one) if hidden else redact_settings(one, str(key)) for key, one in value.items()}
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if _SECRET_NAME.search(name):
        return _hide(value)
    if isinstance(value, (list, tuple)):
        return [redact_settings(one, name) for one in value]
    if not isinstance(value, str):
        return value
    if not name:
        return redact(value)
    text = _SECRET_FIELD.sub(rf"\1{HIDDEN}", redact(value))
    return _ASSIGNED.sub(lambda found: found[0].replace(found[1], HIDDEN), text)


def _hides_all(name: str) -> bool:
    return _ENVIRONMENT.fullmatch(name) is not None or _SECRET_NAME.search(name) is not None


def _hide(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hide(one) for key, one in value.items()}
    return value if value is None or isinstance(value, bool) else HIDDEN


def secrets_in(value: Any, name: str = "") -> list[str]:
    """Return the texts of settings that `redact_settings` hides."""
    if isinstance(value, Mapping):
        hidden = _hides_all(name)
        found = [secrets_in(one, "secret" if hidden else str(key)) for key, one in value.items()]
    elif isinstance(value, (list, tuple)):
        found = [secrets_in(one, name) for one in value]
    elif isinstance(value, str) and _SECRET_NAME.search(name):
        return [value]
    elif isinstance(value, str) and name:
        return [field[2] for field in _SECRET_FIELD.finditer(value)]
    else:
        return []
    return [text for texts in found for text in texts]


def printable(text: str) -> str:
    r"""Return a text that moves no terminal: what is not printable as Python would write it.

    Examples
    --------
    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)
