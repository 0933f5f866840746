"""Who calls: tokens, and where they are kept."""

from __future__ import annotations

import enum
import json
from typing import NamedTuple

from pycape import config
from pycape.errors import ArgumentError, AuthError, shown


class FunctionAuthType(enum.Enum):
    """The kinds of token."""

    AUTH0 = 1  #: of a person, from logging in
    FUNCTION_TOKEN = 2  #: for one function, from its owner
    TOKEN = 2  #: the same, as pycape 1 has it


class FunctionAuth(NamedTuple):
    """A token and its kind."""

    type: FunctionAuthType
    token: str

    def __repr__(self) -> str:
        return f"FunctionAuth({self.type})"


def stored_token(required: bool = True) -> str | None:
    """The access token of the last login, out of ``~/.config/cape/auth``, or wherever CAPE_LOCAL_CONFIG_DIR
    and CAPE_LOCAL_AUTH_FILE_NAME say. None when there is no such file and none is required.

    :raises ValueError: there is no such file.
    :raises RuntimeError: it has no ``access_token``.
    """
    path = config.auth_file()
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        if not required:
            return None
        raise ArgumentError(
            f"no token: {shown(path)} cannot be read ({error.strerror}); "
            'give access_token, or access_token="" to offer none',
            reason="argument.token",
        ) from error
    try:
        token = json.loads(content)["access_token"]
    except (ValueError, LookupError, TypeError, RecursionError):
        token = None
    if not isinstance(token, str):
        raise AuthError(
            f"no token: {shown(path)} has no access_token; give access_token, or write it there",
            reason="auth.token_missing",
        )
    return token.strip()
