"""The credential of a caller."""

from __future__ import annotations

import os
from typing import Any, Union

from pycape import config
from pycape.errors import ArgumentError, ArgumentTypeError, shown

_SUFFIXES = (".json", ".token")


class Token:
    """A token that says who calls, such as one of ``cape token create`` or of
    :meth:`pycape.Cape.create_token`. It does not show itself in a ``repr``.

    :param token: the text. White space around it does not count.
    :raises ValueError: it is blank.
    :raises TypeError: it is not text.
    """

    __slots__ = ("_raw",)

    def __init__(self, token: str) -> None:
        if not isinstance(token, str):
            raise ArgumentTypeError(
                f"a token must be text, not {type(token).__name__}", reason="argument.token"
            )
        self._raw = token.strip()
        if not self._raw:
            raise ArgumentError("the token is blank: give the token itself", reason="argument.token")

    @property
    def token(self) -> str:
        """The text."""
        return self._raw

    @property
    def raw(self) -> str:
        """The text."""
        return self._raw

    def to_disk(self, path: str | os.PathLike[str]) -> None:
        """Writes the token to a file that only its owner may read.

        :raises ValueError: the file cannot be written.
        """
        where = config.expanded(path)
        try:
            config.write(where, self._raw.encode())
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no path"
            raise ArgumentError(
                f"the token file {shown(where)} cannot be written: {why}", reason="argument.token"
            ) from error

    @classmethod
    def from_disk(cls, path: str | os.PathLike[str]) -> Token:
        """The token in a file: its text, or in a JSON object the member ``token`` or
        ``access_token``.

        :raises ValueError: there is no such file, or no token in it.
        """
        where = config.expanded(path)
        try:
            with open(where, encoding="utf-8") as file:
                text = file.read().strip()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise ArgumentError(
                f"the token file {shown(where)} cannot be read: {why}", reason="argument.token"
            ) from error
        if text.startswith("{"):
            text = _member(text)
        if not text or len(text.split()) != 1:
            raise ArgumentError(f"the file {shown(where)} has no token in it", reason="argument.token")
        return cls(text)

    def __eq__(self, other: object) -> bool:
        return self._raw == other._raw if isinstance(other, Token) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._raw)

    def __repr__(self) -> str:
        return "Token(...)"


class Secret(str):
    """Text that does not show itself in a ``repr``, as of the variables in a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'"


#: A token, its text, or the path of a file that holds it.
TokenLike = Union[str, "os.PathLike[str]", Token]


def resolve(token: TokenLike) -> Token:
    """The token that a program names. Text is the path of a file where it has a separator, begins
    with "~", or ends in ".json" or ".token": no token does. Which files there are does not matter.

    :raises ValueError, TypeError: it is not usable.
    """
    if isinstance(token, Token):
        return token
    if isinstance(token, os.PathLike):
        return Token.from_disk(token)
    if isinstance(token, str):
        text = token.strip()
        if os.sep in text or "/" in text or text.startswith("~") or text.endswith(_SUFFIXES):
            return Token.from_disk(text)
    return Token(token)


def is_jwt(text: str) -> bool:
    """Whether text has the form of a JSON web token, as the tokens of a service have."""
    parts = text.strip().split(".")
    return len(parts) == 3 and all(
        part.isascii() and part.replace("-", "").replace("_", "").isalnum() for part in parts[:2]
    )


def username(token: str | None) -> str | None:
    """Whose token it says it is, if it says so. Nothing vouches for that."""
    if token is None or not is_jwt(token):
        return None
    import base64
    import json

    payload = token.strip().split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        name = claims["https://capeprivacy.com/username"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) and name else None


def _member(text: str) -> str:
    import json

    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    token = content.get("token") or content.get("access_token")
    return token.strip() if isinstance(token, str) else ""
