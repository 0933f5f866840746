"""The client."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from pycape import _ffi
from pycape.auth import FunctionAuth, FunctionAuthType
from pycape.call import Call
from pycape.client import Client, checked
from pycape.function_ref import FunctionRef
from pycape.monitor import forwarding

if TYPE_CHECKING:
    from serdio.hooks import SerdeHooks

__all__ = ["Cape", "FunctionAuth", "FunctionAuthType", "FunctionRef"]


class Cape(Client):
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
    :param timeout: seconds for connecting, and for each call; 30 by default. A single call has
        none of its own: the keywords of :meth:`invoke` are the function's.
    :param insecure_ws: permit ``ws://`` to another machine. Results can then be read and forged
        on the way.
    :param proxy: ``http://host:port`` of a proxy for CONNECT. The environment is not read.
    :param reconnect: when the connection is lost, the next invoke opens another: to the same
        function, under the same policy, with a fresh nonce. What was under way has failed, and
        is never sent again. State that the function kept is gone.
    :param signed_results: have the enclave sign each result with a key that its attestation
        document states; one that is not proved so is an :class:`AttestationError`, and ends the
        connection. Without it, results are protected on the way by TLS alone.
    :raises ValueError: an argument is not usable; or no token was given, none is stored, and the
        URL is the public service.
    :raises RuntimeError: the token file has no token, likewise.
    :raises TypeError: an argument has the wrong type.

    No library is loaded before the first connect. Ctrl-C ends a call that waits, within 100 ms,
    and cancels what it waits for; a function that was called may run on. For programs that use
    asyncio there is :class:`pycape.aio.Cape`.
    """

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
        target = checked(function_ref, function_token)
        with forwarding:
            closes = self._left()
            self._keep(self._session(*target), closes)

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
        call = Call(args, kwargs, serde_hooks, use_serdio)
        with forwarding:
            return call.value(self._present().invoke(call.input))

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
        call = Call(args, kwargs, serde_hooks, use_serdio)
        target = checked(function_ref, function_token)
        with forwarding:
            connection = self._session(*target)
            try:
                return call.value(connection.invoke(call.input))
            finally:
                connection.close()

    def close(self) -> None:
        """Closes the connection, if there is one, and wakes the calls that wait on it. It never
        blocks, and may be called at any time. :meth:`connect` opens another; one that another
        thread is in opens none."""
        self._drop()

    def __enter__(self) -> Cape:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _session(self, reference: FunctionRef, function_token: str | None) -> _ffi.Connection:
        return self._opened(_ffi.connect(self._options(reference, function_token)))
