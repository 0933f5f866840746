"""Certificates, as callers may give them."""

from __future__ import annotations

import os
from typing import Union

from pycape.errors import ArgumentError, ArgumentTypeError, shown

#: PEM as text or bytes, or the path of a file that holds it.
PEM = Union[str, bytes, "os.PathLike[str]"]


def read(source: PEM | None, name: str, reason: str) -> str | None:
    """The text of certificates. name and reason are for the error.

    :raises ValueError, TypeError: the source is neither PEM nor the path of a file.
    """
    if source is None:
        return None
    if not isinstance(source, (str, bytes, os.PathLike)):
        raise ArgumentTypeError(
            f"{name} must be a path or PEM, not {type(source).__name__}", reason=reason
        )
    content = source
    if isinstance(source, os.PathLike) or "-----BEGIN" not in _text(source, name, reason):
        try:
            with open(source, "rb") as file:
                content = file.read()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no path"
            raise ArgumentError(
                f"{name} cannot be read: {shown(os.fsdecode(source))}: {why}; "
                "give a path or the PEM itself",
                reason=reason,
            ) from error
    assert isinstance(content, (str, bytes))
    return _text(content, name, reason)


def _text(content: str | bytes, name: str, reason: str) -> str:
    try:
        return content if isinstance(content, str) else content.decode("ascii")
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{name} is not PEM: give a certificate as text", reason=reason) from error
