"""Who calls: tokens, and where they are kept."""

from __future__ import annotations

import enum
import json
from typing import NamedTuple

from pycape import config
from pycape.errors import ArgumentError, AuthError, shown
from pycape.log import listener


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


def stored_token(url: str, required: bool = True) -> str | None:
    """The access token of the last login, out of ``~/.config/cape/auth``, or wherever CAPE_LOCAL_CONFIG_DIR
    and CAPE_LOCAL_AUTH_FILE_NAME say. A login that says for which host it is, is for no other. None
    when there is no such login and none is required.

    :param url: where it is to go.
    :raises ValueError: there is no such file, or its login is for another host.
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
        saved = json.loads(content)
        token, host = saved["access_token"], saved.get("enclave_host") or ""
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        token = host = None
    if not isinstance(token, str) or not isinstance(host, str):
        raise AuthError(
            f"no token: {shown(path)} has no access_token; give access_token, or write it there",
            reason="auth.token_missing",
        )
    if host and (not _host(host) or _host(host) != _host(url)):
        known = f"the login in {shown(path)} is for {shown(_host(host) or 'another host')}"
        if not required:
            log = listener()
            if log is not None:
                log.info("no token is offered: %s", known)
            return None
        raise ArgumentError(
            f"no token: {known}; "
            'give access_token, or access_token="" to offer none',
            reason="argument.token",
        )
    return token.strip()


def _host(url: str) -> str:
    """The host and the port of a URL, as the command line compares them; "" where there is none."""
    from urllib.parse import urlsplit

    try:
        return urlsplit(url.strip()).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
