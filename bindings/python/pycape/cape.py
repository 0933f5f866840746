"""The client."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Iterator

from pycape import _ffi, policy as policies
from pycape.auth import FunctionAuth, FunctionAuthType, stored_token
from pycape.enclave import LocalEnclave
from pycape.errors import (
    ArgumentError,
    ArgumentOverflowError,
    ArgumentTypeError,
    CapeError,
    ClosedError,
    SerdioError,
    UnpinnedWarning,
)
from pycape.function_ref import FunctionRef
from pycape.pem import PEM
from pycape.settings import DEFAULT_URL, gather, logger

if TYPE_CHECKING:
    from serdio.hooks import SerdeHooks

__all__ = ["Cape", "FunctionAuth", "FunctionAuthType", "FunctionRef"]

_TOKEN_TYPES = {FunctionAuthType.AUTH0: "access", FunctionAuthType.FUNCTION_TOKEN: "function"}


class Cape:
    """Calls functions that run inside an enclave, after proving which enclave answers::

        with Cape(url="wss://enclave.example.com", policy={"pcrs": {"0": ["1f0c..."]}}) as cape:
            cape.connect("user/name")
            result = cape.invoke(b"input")

    Any thread may call any method. Invokes may run in parallel. An instance has one connection
    at a time; :meth:`run` uses one of its own.

    :param url: the enclave's service, ``wss://host``; ``ws://`` for this machine only. Where it
        is left as it is, the environment variable CAPE_ENCLAVE_HOST goes before it.
    :param access_token: who calls. None: the token of the last login, out of
        ``$HOME/.config/cape/auth``, which goes out over ``wss://`` only, or to this machine.
        "" offers none. None is needed for a service on this machine, or where a function_token
        is given.
    :param verbose: log at DEBUG to the logger "pycape".
    :param enclave: a :class:`LocalEnclave`. It brings its URL, root and authority, and unless
        policy says otherwise only that enclave is accepted.
    :param attestation_root: trust this root in place of AWS's: PEM, or a path. Else the
        environment variable CAPE_ATTESTATION_ROOT, which is then logged as a warning.
    :param tls_ca: trust this authority for TLS in place of the system's: PEM, or a path. Else
        the environment variable CAPE_TLS_CA.
    :param policy: which enclaves are accepted: "any", a dict such as ``{"pcrs": {"0": ["hex"]}}``,
        or the path of a JSON file with one. None accepts any, and warns, unless the function
        reference has a hash.
    :param timeout: seconds for connecting, and for each call; 30 by default.
    :param insecure_ws: permit ``ws://`` to another machine. Results can then be read and forged
        on the way.
    :param proxy: ``http://host:port`` of a proxy for CONNECT. The environment is not read.
    :raises ValueError: an argument is not usable; or no token was given, none is stored, and the
        URL is the public service.
    :raises RuntimeError: the token file has no token, likewise.
    :raises TypeError: an argument has the wrong type.

    No library is loaded before the first connect.
    """

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
    ) -> None:
        if verbose:
            _log_debug()
        self._settings = gather(
            url, enclave, attestation_root, tls_ca, policy, timeout, insecure_ws, proxy
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

    def connect(
        self, function_ref: FunctionRef | str, function_token: str | None = None
    ) -> None:
        """Opens a session with a function, in place of the present one if there is one.

        The enclave has to prove itself first: its attestation document is verified, against the
        root, a fresh nonce, the policy, and the hash of the function reference if it has one.

        Where :meth:`close` is called meanwhile there is no session, but a :class:`ClosedError`.

        :param function_ref: the function; its id or name will do.
        :param function_token: a token for this function, in place of the access token.
        :raises TypeError: function_ref is something else. The present session goes on.
        :raises ValueError: an option is not usable.
        :raises RuntimeError: one of :class:`ConnectError`, :class:`TLSError`,
            :class:`AuthError`, :class:`AttestationError`, :class:`PolicyError`,
            :class:`ProtocolError`, :class:`CapeTimeoutError`, :class:`ClosedError`,
            :class:`LibraryError`.
        """
        reference = _reference(function_ref)
        token = _checked_token(function_token, "function_token")
        closes = self._closes
        self._replace(None)  # first: if this fails, nothing may go to the wrong function
        connection = self._session(reference, token)
        if not self._replace(connection, closes):
            connection.close()
            raise ClosedError(
                "the client was closed while it connected: connect again to go on",
                reason="closed.not_sent",
            )

    def invoke(
        self,
        /,
        *args: Any,
        serde_hooks: SerdeHooks | None = None,
        use_serdio: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Calls the function and returns its result.

        Without serdio the function takes exactly one argument of bytes, and returns bytes. The
        input is sealed to the key that the enclave has proved; up to 64 MiB.

        :param use_serdio: send any number of arguments, of the types that :mod:`serdio` knows,
            and return the function's result likewise.
        :param serde_hooks: an encoder and a decoder for other types; implies use_serdio.
        :raises ValueError: not one input; too large; serdio cannot encode it; or, as a
            :class:`SerdioError`, the result cannot be decoded.
        :raises TypeError: the input is not bytes; or serdio does not know its type.
        :raises OverflowError: serdio was given an integer of more than 64 bits.
        :raises RuntimeError: :class:`FunctionError` if the function failed, after which the
            connection goes on; :class:`ClosedError`, :class:`CapeTimeoutError`,
            :class:`ProtocolError`.
        """
        call = _Call(args, kwargs, serde_hooks, use_serdio)
        with self._lock:
            connection = self._connection
        if connection is None:
            raise ClosedError("not connected: call connect() first", reason="closed.not_sent")
        return call.through(connection)

    def run(
        self,
        function_ref: FunctionRef | str,
        *args: Any,
        function_token: str | None = None,
        serde_hooks: SerdeHooks | None = None,
        use_serdio: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Connects, invokes once, and closes, leaving the present connection alone.

        Parameters and errors are those of :meth:`connect` and :meth:`invoke`.
        """
        call = _Call(args, kwargs, serde_hooks, use_serdio)
        connection = self._session(
            _reference(function_ref), _checked_token(function_token, "function_token")
        )
        try:
            return call.through(connection)
        finally:
            connection.close()

    def close(self) -> None:
        """Closes the connection, if there is one, and wakes the calls that wait on it. It never
        blocks, and may be called at any time. :meth:`connect` opens another; one that another
        thread is in opens none."""
        with self._lock:
            self._closes += 1
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _replace(self, connection: _ffi.Connection | None, closes: int | None = None) -> bool:
        """Ends the present connection for another, unless there were more calls of close."""
        with self._lock:
            if closes not in (None, self._closes):
                return False
            other, self._connection = self._connection, connection
        if other is not None:
            other.close()
        return True

    def __enter__(self) -> Cape:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._connection is None else "connected"
        return f"<Cape {self._settings.enclave or self._settings.url} {state}>"

    def _session(
        self, reference: FunctionRef, function_token: str | None
    ) -> _ffi.Connection:
        """Called by connect and run only: the warning names the line that called them."""
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
                stacklevel=3,
            )
        self._report = None
        connection, self._report = _ffi.connect(options | {"policy": policy})
        logger.debug("connected to %s: %s", options["url"], self._report.get("module_id"))
        return connection

    def _auth(self, function_token: str | None) -> FunctionAuth | None:
        if function_token is not None:
            return FunctionAuth(FunctionAuthType.FUNCTION_TOKEN, function_token)
        token = self._access_token
        if token is None and self._settings.enclave is None and self._settings.is_private:
            token = stored_token(required=not self._settings.is_local)
        return FunctionAuth(FunctionAuthType.AUTH0, token) if token else None


class _Call:
    """The arguments of one invoke, encoded before anything is sent."""

    def __init__(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        serde_hooks: SerdeHooks | None,
        use_serdio: bool,
    ) -> None:
        self._serdio = use_serdio or serde_hooks is not None
        self._decoder: Callable[[Any], Any] | None = None
        if not self._serdio:
            self._input = _only_bytes(args, kwargs)
            return
        from serdio import SerdeHookBundle, bundle_serde_hooks
        from serdio.encoder import serialize_call

        encoder = None
        if serde_hooks is not None:
            with _translated("argument.type"):
                hooks = bundle_serde_hooks(serde_hooks)
            if not isinstance(hooks, SerdeHookBundle):
                raise ArgumentTypeError(
                    f"serde_hooks must be a pair of hooks, not {type(hooks).__name__}",
                    reason="argument.type",
                )
            encoder, self._decoder = hooks.unbundle()
        with _translated("argument.serdio"):
            self._input = serialize_call(args, kwargs, encoder)

    def through(self, connection: _ffi.Connection) -> Any:
        output = connection.invoke(self._input)
        logger.debug("invoked: %d bytes sent, %d received", len(self._input), len(output))
        if not self._serdio:
            return output
        from serdio import deserialize

        try:
            return deserialize(output, self._decoder)
        except (ValueError, TypeError) as error:
            raise SerdioError(_line(error), reason="serdio.format") from error


@contextlib.contextmanager
def _translated(reason: str) -> Iterator[None]:
    """Makes what serdio raises errors of this package, for what was given to a call."""
    try:
        yield
    except CapeError:
        raise
    except OverflowError as error:
        raise ArgumentOverflowError(_line(error), reason=reason) from error
    except TypeError as error:
        raise ArgumentTypeError(_line(error), reason=reason) from error
    except ValueError as error:
        raise ArgumentError(_line(error), reason=reason) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _only_bytes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    values = (*args, *kwargs.values())
    if len(values) != 1:
        raise ArgumentError(
            f"a function takes one input of bytes, not {len(values)}: give one, or use_serdio=True",
            reason="argument.input",
        )
    if not isinstance(values[0], bytes):
        raise ArgumentTypeError(
            f"the input must be bytes, not {type(values[0]).__name__}: encode it, or use_serdio=True",
            reason="argument.input",
        )
    return bytes.__getitem__(values[0], slice(None))  # bytes itself, whatever a subclass says


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
