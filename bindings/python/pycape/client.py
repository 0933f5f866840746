"""What the clients have in common, whether their calls block or are awaited."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from pycape import _ffi, caller, function_ref as functions, policy as policies, token as tokens
from pycape.auth import FunctionAuth, FunctionAuthType, not_offered, stored_token
from pycape.enclave import LocalEnclave
from pycape.errors import ArgumentError, ArgumentTypeError, ClosedError, UnpinnedWarning
from pycape.function_ref import FunctionLike, FunctionRef
from pycape.log import show_debug
from pycape.pem import PEM
from pycape.progress import ProgressLike, checked as checked_progress
from pycape.settings import gather
from pycape.token import Secret, Token, TokenLike

_TOKEN_TYPES = {FunctionAuthType.AUTH0: "access", FunctionAuthType.FUNCTION_TOKEN: "function"}

_FOR_ASYNCIO = "a client for asyncio is opened with 'async with': pycape.Cape is the other one"
_BLOCKING = "this client is opened with 'with': pycape.aio.Cape is the one for 'async with'"


class Blocks:
    """What is said where a client is used by the wrong kind of ``with``. Each kind of client has
    methods of its own for the right one. The price is that the abstract classes of
    :mod:`contextlib` take a client for both kinds; so each of these methods raises."""

    if not TYPE_CHECKING:  # to type checkers these blocks are wrong

        def __enter__(self):
            raise ArgumentTypeError(_FOR_ASYNCIO, reason="argument.type")

        async def __aenter__(self):
            raise ArgumentTypeError(_BLOCKING, reason="argument.type")

        # These two are called by what did not enter, such as ExitStack.push.
        def __exit__(self, *_):
            self._drop()
            raise ArgumentTypeError(_FOR_ASYNCIO, reason="argument.type")

        async def __aexit__(self, *_):
            self._drop()
            raise ArgumentTypeError(_BLOCKING, reason="argument.type")


class Target(NamedTuple):
    """What connect and run were given."""

    function: FunctionRef
    auth: FunctionAuth | None
    pcrs: policies.PCRs | None


class Client(Blocks):
    """Who calls, whom, and the present connection. :class:`pycape.Cape` has the parameters."""

    def __init__(
        self,
        url: str | None = None,
        access_token: str | Token | bool | None = None,
        verbose: bool = False,
        *,
        enclave: LocalEnclave | None = None,
        attestation_root: PEM | None = None,
        tls_ca: PEM | None = None,
        policy: policies.PolicyLike | None = None,
        timeout: float | None = None,
        insecure_ws: bool = False,
        proxy: str | None = None,
        reconnect: bool = False,
        signed_results: bool = False,
        progress: ProgressLike = None,
    ) -> None:
        if verbose or access_token is True:  # its place in pycape 3
            show_debug()
        self._settings = gather(
            url,
            enclave,
            attestation_root,
            tls_ca,
            policy,
            timeout,
            insecure_ws,
            proxy,
            reconnect,
            signed_results,
        )
        given = None if isinstance(access_token, bool) else access_token
        self._access_token = _checked_token(given, "access_token")
        self._progress = checked_progress(progress)
        self._lock = threading.RLock()  # a signal handler may close while another call has it
        self._connection: _ffi.Connection | None = None
        self._closes = 0  # how often close() was called
        self._report: dict[str, Any] | None = None

    @property
    def report(self) -> dict[str, Any] | None:
        """What the verification of the last connection, or of the last deploy, found:
        ``module_id``, ``pcrs``, ``timestamp``, ``steps`` and more. None before the first. That of a
        refused enclave is in the error."""
        return self._report

    def function(
        self, identifier: FunctionLike | Any, *, checksum: str | None = None
    ) -> FunctionRef:
        """The function that a program names.

        :param identifier: an id of 22 characters; "user/name"; the path of a JSON file that
            ``FunctionRef.to_json`` or ``cape deploy -o json`` wrote; or a :class:`FunctionRef`. Text
            is taken for a path where it ends in ".json", or has a separator and is no "user/name",
            whichever files there are.
        :param checksum: SHA-256 of the function's zip, in hex, which the function must have.
        :raises ValueError: it names no function, or the file cannot be used.
        :raises TypeError: it is something else.
        """
        return functions.resolve(identifier, checksum)

    def token(self, token: TokenLike) -> Token:
        """The token that a program names.

        :param token: the token itself; the path of a file that holds it; or a :class:`Token`. Text
            is taken for a path where it has a separator, begins with "~", or ends in ".json" or
            ".token", whichever files there are.
        :raises ValueError: the file cannot be read, or has no token.
        :raises TypeError: it is something else.
        """
        return tokens.resolve(token)

    def __repr__(self) -> str:
        state = "closed" if self._connection is None else "connected"
        return f"<{type(self).__name__} {self._settings.shown} {state}>"

    def _present(self) -> _ffi.Connection:
        connection = self._connection
        if connection is None:
            raise ClosedError("not connected: call connect() first", reason="closed.not_sent")
        return connection

    def _left(self) -> int:
        """Ends the present connection for a connect: if that fails, nothing may go to the wrong
        function. Gives how often the client was closed."""
        closes = self._closes
        self._replace(None)
        return closes

    def _keep(self, connection: _ffi.Connection, closes: int) -> None:
        """Makes it the present connection, unless close was called since _left."""
        if not self._replace(connection, closes):
            connection.close()
            raise ClosedError(
                "the client was closed while it connected: connect again to go on",
                reason="closed.not_sent",
            )

    def _drop(self) -> None:
        """Closes, for good what is under way."""
        with self._lock:
            self._closes += 1
        self._replace(None)

    def _replace(self, connection: _ffi.Connection | None, closes: int | None = None) -> bool:
        """Ends the present connection for another, unless there were more calls of close."""
        with self._lock:
            if closes not in (None, self._closes):
                return False
            other, self._connection = self._connection, connection
        if other is not None:
            other.close()
        return True

    def _options(self, target: Target) -> dict[str, Any]:
        """The options of a connect."""
        settings = self._settings.options()
        auth = self._auth(target)
        options = settings | {"function": target.function.get_id()}
        if auth is not None:
            options |= {"token": Secret(auth.token), "token_type": _TOKEN_TYPES[auth.type]}
        policy = self._policy(options.get("policy"), target.pcrs)
        policy = policies.pin(policy, functions.checked_hash(target.function))
        self._report = None
        return options | {"policy": pinned(policy)}

    def _policy(self, policy: Any, pcrs: policies.PCRs | None) -> Any:
        """The policy of this client for one call. Measurements go before those of a local enclave."""
        return policies.with_pcrs(policy, pcrs, in_place=self._settings.policy is None)

    def _opened(self, session: tuple[_ffi.Connection, dict[str, Any]]) -> _ffi.Connection:
        connection, self._report = session
        return connection

    def _auth(self, target: Target) -> FunctionAuth | None:
        if target.auth is not None:
            return target.auth
        if target.function.token is not None:
            return FunctionAuth(target.function.auth_type, target.function.token)
        token = self._credential()
        return FunctionAuth(FunctionAuthType.AUTH0, token) if token else None

    def _credential(self, token: str | Token | None = None) -> str | None:
        """The access token to offer, if any. A stored login goes out in private only."""
        given = _checked_token(token, "token")
        given = self._access_token if given is None else given
        if given is not None:
            return given
        if self._settings.enclave is not None:
            not_offered("a local enclave needs none", expected=True)
            return None
        exposed = self._settings.exposed
        if exposed is None:
            return stored_token(self._settings.url or "", required=not self._settings.is_local)
        not_offered(exposed)
        return None


Client.__init__.__qualname__ = "Cape.__init__"  # for the error of an argument that is unknown


def checked(
    function_ref: FunctionLike,
    function_token: str | Token | None,
    token: str | Token | None = None,
    pcrs: policies.PCRs | None = None,
) -> Target:
    """What connect and run were given. A :class:`Token` is an access token, wherever it stands.

    :raises ValueError, TypeError: it is not usable.
    """
    reference = FunctionRef(function_ref) if isinstance(function_ref, str) else function_ref
    if not isinstance(reference, FunctionRef):
        raise ArgumentTypeError(
            f"a function must be named by a FunctionRef or text, not {type(reference).__name__}",
            reason="argument.function",
        )
    if function_token is not None and token is not None:
        raise ArgumentError("two tokens were given: give one", reason="argument.token")
    kind = FunctionAuthType.AUTH0
    if function_token is not None and not isinstance(function_token, Token):
        kind = FunctionAuthType.FUNCTION_TOKEN
    name = "token" if function_token is None else "function_token"
    text = _checked_token(token if function_token is None else function_token, name)
    return Target(reference, None if text is None else FunctionAuth(kind, text), pcrs)


def checked_run(
    function_ref: FunctionLike,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    function_token: str | Token | None,
    pcrs: policies.PCRs | None,
) -> tuple[Target, tuple[Any, ...]]:
    """What run was given, and the arguments of the function. A :class:`Token` that comes first, or
    by the name token, is not for the function; any other value is. It is taken out of kwargs."""
    token = None
    if args and isinstance(args[0], Token):
        token, args = args[0], args[1:]
    if isinstance(kwargs.get("token"), Token):
        token = kwargs.pop("token")
    return checked(function_ref, function_token, token, pcrs), args


def _checked_token(token: str | Token | None, name: str) -> str | None:
    if isinstance(token, Token):
        return token.raw
    if token is not None and not isinstance(token, str):
        raise ArgumentTypeError(
            f"{name} must be text, not {type(token).__name__}", reason="argument.token"
        )
    if token and not token.strip():
        raise ArgumentError(f"{name} is blank: give the token itself", reason="argument.token")
    return token and token.strip()


def pinned(policy: Any) -> Any:
    """The policy, or "any" where there is none, with a warning that names the line of the program
    that called this package, as far as that can be seen: see :func:`pycape.caller.level`."""
    if policy is not None:
        return policy
    warnings.warn(
        "any enclave may answer: name the one you trust with "
        'policy={"pcrs": {"0": ["<hex>"]}}, or say policy="any"',
        UnpinnedWarning,
        stacklevel=caller.level(),
    )
    return "any"
