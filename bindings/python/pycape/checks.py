"""Checks of what a program gives, and how that may stand in an error."""

from __future__ import annotations

from typing import Any, Union

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


def flag(value: Any, name: str) -> bool:
    """
    :raises TypeError: the value is neither True nor False. "no" counts as neither.
    """
    if not isinstance(value, bool):
        raise ArgumentTypeError(
            f"{name} must be True or False, not {type(value).__name__}", reason="argument.options"
        )
    return value


#: What holds bytes.
Data = Union[bytes, bytearray, memoryview]


def data(name: str, value: Any, remedy: str = "", reason: str = "argument.input") -> bytes:
    """The value as bytes itself, whatever a subclass says of its contents.

    :raises TypeError: it is neither bytes, bytearray nor a memoryview.
    :raises ValueError: it is a memoryview that was released.
    """
    if isinstance(value, bytes):
        return bytes.__getitem__(value, slice(None))
    if not isinstance(value, (bytearray, memoryview)):
        raise ArgumentTypeError(
            f"the {name} must be bytes, not {type(value).__name__}{remedy}", reason=reason
        )
    try:
        return memoryview(value).tobytes()
    except ValueError as error:
        raise ArgumentError(f"the {name} cannot be read: {error}", reason=reason) from error


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
