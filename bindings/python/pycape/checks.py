"""Checks of what a program gives, and how that may stand in an error."""

from __future__ import annotations

from typing import Any

from pycape.errors import ArgumentError, ArgumentTypeError


def text(value: Any, name: str, reason: str = "argument.options") -> Any:
    """
    :raises TypeError: the value is neither text nor None.
    """
    if value is not None and not isinstance(value, str):
        raise ArgumentTypeError(f"{name} must be text, not {type(value).__name__}", reason=reason)
    return value


def whole(value: Any, name: str) -> Any:
    """
    :raises TypeError: the value is neither an integer nor None.
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ArgumentTypeError(
            f"{name} must be an integer, not {type(value).__name__}", reason="argument.options"
        )
    return value


def path(value: str, name: str) -> str:
    """
    :raises ValueError: the path is empty, and would be that of the folder where the program runs.
    """
    if not value:
        raise ArgumentError(f'{name} is empty: give a path, such as "."', reason="argument.options")
    return value


def quoted(value: str) -> str:
    """Text as it may stand in an error: the beginning of it, if it is long."""
    return repr(value) if len(value) <= 80 else f"{value[:80]!r}..."
