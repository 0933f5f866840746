"""Requests to a Cape service that are no calls of a function: what to ask, and what the answer
says. The native library does the rest."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Callable, Generic, TypedDict, TypeVar, Union

from pycape import checks, config, keys, policy as policies
from pycape.call import Call
from pycape.client import Client, pinned
from pycape.errors import ArgumentError, ArgumentTypeError
from pycape.function_ref import FunctionLike, FunctionRef
from pycape.token import Secret, Token, username as claimed_name

if TYPE_CHECKING:
    import datetime

    from serdio.hooks import SerdeHooks

_T = TypeVar("_T")
StrPath = Union[str, "os.PathLike[str]"]
Expiry = Union[None, int, float, str, "datetime.datetime", "datetime.timedelta"]

_SERVICE = frozenset({"url", "tls_ca", "insecure_ws", "proxy", "timeout_ms"})
_ATTESTED = _SERVICE | {"attestation_roots", "policy"}


class DeployedFunction(TypedDict):
    """A function of the caller's, as a service tells of it."""

    id: str  #: 22 characters
    name: str  #: "user/name", or "" where a newer function has taken it
    created_at: str  #: RFC 3339


class TokenInfo(TypedDict, total=False):
    """A token of the caller's, as a service tells of it. The token itself is told only once."""

    id: str
    name: str
    description: str
    created_at: str  #: RFC 3339
    expiry: str  #: RFC 3339, if it expires
    last_used: str  #: RFC 3339, if it was used


class Request(Generic[_T]):
    """What to ask, and how to read the answer. What is known needs not be asked."""

    def __init__(
        self,
        options: dict[str, Any],
        value: Callable[[bytes], _T],
        data: bytes = b"",
        known: _T | None = None,
    ) -> None:
        self.options, self.value, self.data, self.known = options, value, data, known

    @property
    def what(self) -> str:
        """The kind of request, for people."""
        return str(self.options["request"])


class Service(Client):
    """A client that can make requests."""

    def _plain(self, request: str, token: str | Token | None, more: dict[str, Any]) -> dict[str, Any]:
        """The options of a request, without what is None."""
        options = {name: value for name, value in self._settings.options().items() if name in _SERVICE}
        credential = self._credential(token)
        options |= {"request": request, "token": Secret(credential) if credential else None}
        return {name: value for name, value in (options | more).items() if value is not None}

    def _attested(
        self,
        request: str,
        token: str | Token | None,
        pcrs: policies.PCRs | None,
        more: dict[str, Any],
    ) -> dict[str, Any]:
        """Likewise, of a request on which the enclave attests. It concerns no function yet."""
        settings = {name: value for name, value in self._settings.options().items() if name in _ATTESTED}
        policy = policies.of_any_function(self._policy(settings.get("policy"), pcrs))
        return self._plain(request, token, settings | {"policy": pinned(policy)} | more)

    def _deploying(
        self,
        path: StrPath,
        name: str | None,
        public: bool,
        token: str | Token | None,
        pcrs: policies.PCRs | None,
    ) -> Request[FunctionRef]:
        more = {"path": _path(path), "name": checks.text(name, "name"), "public": checks.flag(public, "public") or None}
        options = self._attested("deploy", token, pcrs, more)
        self._report = None
        owner = claimed_name(options.get("token"))

        def value(answer: bytes) -> FunctionRef:
            deployed = json.loads(answer)
            self._report = deployed["report"]
            full = deployed["name"]
            if "/" not in full:
                full = None if owner is None else f"{owner}/{full}"
            return FunctionRef(id=deployed["id"], name=full, checksum=deployed["checksum"])

        return Request(options, value)

    def _testing(
        self,
        path: StrPath,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        token: str | Token | None,
        pcrs: policies.PCRs | None,
        serde_hooks: SerdeHooks | None,
        use_serdio: bool,
    ) -> Request[Any]:
        call = Call(args, kwargs, serde_hooks, use_serdio)
        options = self._attested("test", token, pcrs, {"path": _path(path)})
        return Request(options, call.value, call.input)

    def _listing(
        self, limit: int, offset: int, token: str | Token | None
    ) -> Request[list[DeployedFunction]]:
        more = {"limit": checks.whole(limit, "limit"), "offset": checks.whole(offset, "offset")}
        return Request(self._plain("list", token, more), _listed)

    def _deleting(self, function: FunctionLike, token: str | Token | None) -> Request[None]:
        return Request(self._plain("delete", token, {"id": _id(function)}), _nothing)

    def _creating_token(
        self,
        name: str | None,
        description: str | None,
        function: FunctionLike | None,
        expiry: Expiry,
        token: str | Token | None,
    ) -> Request[Token]:
        more = {
            "name": checks.text(name, "name"),
            "description": checks.text(description, "description"),
            "function": None if function is None else _id(function),
            "expiry": None if expiry is None else _moment(expiry),
        }
        options = self._plain("token_create", token, more)
        return Request(options, lambda answer: Token(answer.decode()))

    def _listing_tokens(self, token: str | Token | None) -> Request[list[TokenInfo]]:
        return Request(self._plain("token_list", token, {}), _listed)

    def _deleting_token(self, id: str, token: str | Token | None) -> Request[None]:
        if not isinstance(id, str):
            raise ArgumentTypeError(
                f"a token is named by its id, which is text, and not by {type(id).__name__}",
                reason="argument.options",
            )
        return Request(self._plain("token_delete", token, {"id": id}), _nothing)

    def _getting_key(
        self,
        username: str | None,
        key_path: StrPath | None,
        token: str | Token | None,
        pcrs: policies.PCRs | None,
    ) -> Request[bytes]:
        """Known is what was kept of an earlier answer of the same service, under the same trust."""
        keys.check_one(username, key_path)
        if checks.text(username, "username") == "":
            raise ArgumentError("a username must not be empty", reason="argument.options")
        path = None if key_path is None else _path(key_path)
        if path is not None:
            known = keys.read(path)
            if known is not None:
                return Request({"request": "key"}, bytes, known=known)
        if username is not None:
            token = ""  # nobody is asked for one, so nobody is shown one
        options = self._attested("key", token, pcrs, {"user": username})
        if path is not None:
            return Request(options, lambda key: _noted(key, lambda: keys.write(path, key)))
        kept = keys.Kept(options, _owner(username, options.get("token")))
        return Request(options, lambda key: _noted(key, lambda: kept.write(key)), known=kept.read())


def _noted(key: bytes, note: Callable[[], None]) -> bytes:
    note()
    return key


def _owner(username: str | None, token: str | None) -> str:
    """Whose key it is. Who shows a token is not a user whose name somebody gives."""
    if username is not None:
        return f"user {username}"
    import hashlib

    return f"token {hashlib.sha256((token or '').encode('utf-8', 'surrogatepass')).hexdigest()}"


def _listed(answer: bytes) -> list[Any]:
    return list(json.loads(answer))


def _nothing(answer: bytes) -> None:
    return None


def _path(path: StrPath) -> str:
    return os.path.abspath(checks.path(config.expanded(path), "the path"))


def _id(function: FunctionLike) -> str:
    if isinstance(function, FunctionRef):
        if function.id is None:
            raise ArgumentError(
                f"the function {function.full_name} is known by its name only: give its id",
                reason="argument.function",
            )
        return function.id
    if not isinstance(function, str):
        raise ArgumentTypeError(
            f"a function must be named by its id or a FunctionRef, not {type(function).__name__}",
            reason="argument.function",
        )
    return function


def _moment(expiry: Any) -> str:
    from pycape.expiry import moment

    return moment(expiry)
