"""Who calls: tokens, and where they are kept."""

from __future__ import annotations

import enum
import json
from typing import Any, NamedTuple

from pycape import config
from pycape.errors import ArgumentError, AuthError, CapeError, shown
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
    :raises RuntimeError: it has no ``access_token``, or does not say clearly for which host it is.
    """
    found = _found(config.auth_file(), url)
    if isinstance(found, str):
        return found
    if not required and not isinstance(found, _Damaged):
        not_offered(found.why, expected=isinstance(found.cause, FileNotFoundError))
        return None
    raise found.error()  # from here, where no variable holds what is in the file


def not_offered(why: str, expected: bool = False) -> None:
    """Says in the log why a login is not offered.

    :param expected: it is so wherever a program is tried out; then it is for debugging alone.
    """
    log = listener()
    if log is not None:
        (log.debug if expected else log.info)("no token is offered: %s", why)


class _Refusal:
    """Why there is no token to offer."""

    def __init__(self, why: str, cause: OSError | None = None) -> None:
        self.why, self.cause = why, cause

    def error(self) -> CapeError:
        raise NotImplementedError


class _NotForThis(_Refusal):
    """There is no login that may be offered."""

    def error(self) -> CapeError:
        error = ArgumentError(
            f'no token: {self.why}; give access_token, or access_token="" to offer none',
            reason="argument.token",
        )
        error.__cause__ = self.cause
        return error


class _Blank(_Refusal):
    """The file is a login without a token."""

    def error(self) -> CapeError:
        return AuthError(
            f"no token: {self.why}; give access_token, or write it there", reason="auth.token_missing"
        )


class _Damaged(_Blank):
    """What is in the file is no login."""


# The members of a JSON object, in their order.
class _Members(list[tuple[str, Any]]):
    pass


def _found(path: str, url: str) -> str | _Refusal:
    """The token in a file, or why it is none for a URL. It raises nothing: a traceback may show the
    variables, and these are secret."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        return _NotForThis(f"{shown(path)} cannot be read ({error.strerror})", error)
    try:
        saved = json.loads(content, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        saved = None
    token, host = _member(saved, "access_token"), _member(saved, "enclave_host")
    if not isinstance(token, str) or not token.strip():
        kind = _Blank if isinstance(token, str) else _Damaged
        return kind(f"{shown(path)} has no access_token")
    if not isinstance(host, (str, type(None))):
        return _Damaged(f"{shown(path)} has an access_token, but an enclave_host that is none")
    if host and (not _host(host) or _host(host) != _host(url)):
        return _NotForThis(f"the login in {shown(path)} is for {shown(_host(host) or 'another host')}")
    return token.strip()


def _member(saved: Any, name: str) -> Any:
    """A member of the login; None where there is none. The command line takes a name in capitals
    for the same name, and of two the last: neither is told apart here, but given as ``...``."""
    if not isinstance(saved, _Members):
        return None
    same = [(given, value) for given, value in saved if given.casefold() == name]
    if not same:
        return None
    return same[0][1] if len(same) == 1 and same[0][0] == name else ...


def _host(url: str) -> str:
    """The host and the port of a URL, as the command line compares them, but for letters beyond
    ASCII, of which some have a small form in it; "" where there is none."""
    from urllib.parse import urlsplit

    try:
        host = urlsplit(url.strip()).netloc.rpartition("@")[2]
        return host.encode().lower().decode()
    except ValueError:
        return ""
