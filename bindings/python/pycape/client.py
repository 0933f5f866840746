"""What the clients have in common, whether their calls block or are awaited."""

from __future__ import annotations

import logging
import threading
import warnings
from typing import Any

from pycape import _ffi, policy as policies
from pycape.auth import FunctionAuth, FunctionAuthType, stored_token
from pycape.enclave import LocalEnclave
from pycape.errors import ArgumentError, ArgumentTypeError, ClosedError, UnpinnedWarning
from pycape.function_ref import FunctionRef
from pycape.pem import PEM
from pycape.settings import DEFAULT_URL, gather, logger

_TOKEN_TYPES = {FunctionAuthType.AUTH0: "access", FunctionAuthType.FUNCTION_TOKEN: "function"}


class Client:
    """Who calls, whom, and the present connection. :class:`pycape.Cape` has the parameters."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        access_token: str | None = None,
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
    ) -> None:
        if verbose:
            _log_debug()
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
        self._access_token = _checked_token(access_token, "access_token")
        if self._access_token is None and self._settings.is_default:
            self._access_token = stored_token()
        self._lock = threading.Lock()
        self._connection: _ffi.Connection | None = None
        self._closes = 0  # how often close() was called
        self._report: dict[str, Any] | None = None

    @property
    def report(self) -> dict[str, Any] | None:
        """What the verification of the last connection found: ``module_id``, ``pcrs``,
        ``timestamp``, ``steps`` and more. None before the first. That of a refused connection is
        in the error."""
        return self._report

    def __repr__(self) -> str:
        state = "closed" if self._connection is None else "connected"
        return f"<{type(self).__name__} {self._settings.enclave or self._settings.url} {state}>"

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

    def _options(self, reference: FunctionRef, function_token: str | None) -> dict[str, Any]:
        """The options of a connect. The warning names the line that called connect or run."""
        auth = self._auth(function_token)
        options = self._settings.options() | {"function": reference.get_id()}
        if auth is not None:
            options |= {"token": auth.token, "token_type": _TOKEN_TYPES[auth.type]}
        policy = policies.pin(options.get("policy"), reference.get_hash())
        if policy is None:
            policy = "any"
            warnings.warn(
                "any enclave may answer: name the one you trust with "
                'policy={"pcrs": {"0": ["<hex>"]}}, or say policy="any"',
                UnpinnedWarning,
                stacklevel=4,
            )
        self._report = None
        return options | {"policy": policy}

    def _opened(self, session: tuple[_ffi.Connection, dict[str, Any]]) -> _ffi.Connection:
        connection, self._report = session
        return connection

    def _auth(self, function_token: str | None) -> FunctionAuth | None:
        if function_token is not None:
            return FunctionAuth(FunctionAuthType.FUNCTION_TOKEN, function_token)
        token = self._access_token
        if token is None and self._settings.enclave is None and self._settings.is_private:
            token = stored_token(required=not self._settings.is_local)
        return FunctionAuth(FunctionAuthType.AUTH0, token) if token else None


def checked(
    function_ref: FunctionRef | str, function_token: str | None
) -> tuple[FunctionRef, str | None]:
    """What connect and run were given.

    :raises ValueError, TypeError: it is not usable.
    """
    return _reference(function_ref), _checked_token(function_token, "function_token")


def _reference(function_ref: FunctionRef | str) -> FunctionRef:
    reference = FunctionRef(function_ref) if isinstance(function_ref, str) else function_ref
    if not isinstance(reference, FunctionRef):
        raise ArgumentTypeError(
            f"a function must be named by a FunctionRef or text, not {type(reference).__name__}",
            reason="argument.function",
        )
    return reference


def _checked_token(token: str | None, name: str) -> str | None:
    if token is not None and not isinstance(token, str):
        raise ArgumentTypeError(
            f"{name} must be text, not {type(token).__name__}", reason="argument.token"
        )
    if token and not token.strip():
        raise ArgumentError(f"{name} is blank: give the token itself", reason="argument.token")
    return token and token.strip()


def _log_debug() -> None:
    """Shows the debug messages of "pycape", also where logging has not been set up."""
    logger.setLevel(logging.DEBUG)
    if not logger.hasHandlers():
        logger.addHandler(logging.StreamHandler())
