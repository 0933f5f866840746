"""The client."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, TypeVar

from pycape import _ffi, checks, keys
from pycape.auth import FunctionAuth, FunctionAuthType
from pycape.call import Call
from pycape.client import Target, checked, checked_run
from pycape.function_ref import FunctionLike, FunctionRef
from pycape.monitor import forwarding
from pycape.policy import PCRs
from pycape.progress import ProgressLike, checked as checked_progress, watching
from pycape.service import DeployedFunction, Expiry, Request, Service, StrPath, TokenInfo
from pycape.token import Token
from pycape.twin import with_twin

if TYPE_CHECKING:
    from serdio.hooks import SerdeHooks

__all__ = ["Cape", "FunctionAuth", "FunctionAuthType", "FunctionRef"]

_T = TypeVar("_T")
_Self = TypeVar("_Self", bound="Cape")


class Cape(Service):
    """Calls functions that run inside an enclave, after proving which enclave answers::

        with Cape(url="wss://enclave.example.com", policy={"pcrs": {"0": ["1f0c..."]}}) as cape:
            cape.connect("user/name")
            result = cape.invoke(b"input")

    Any thread may call any method. Invokes may run in parallel. An instance has one connection
    at a time; :meth:`run` uses one of its own.

    :param url: the enclave's service, ``wss://host`` or ``https://host``; ``ws://`` for this machine
        only. None, or an address of the public Cape service, which has ended: that of the
        environment variable CAPE_ENCLAVE_HOST. Where there is none either, calls fail.
    :param access_token: who calls. None: the token of the last login, out of
        ``~/.config/cape/auth``. It goes out over ``wss://``, or to this machine without proxy and
        insecure_ws, and to no other host than its ``enclave_host``, if it names one; else the log
        says why not. "" offers none. None is needed for a service on this machine, or where a call
        is given a token. (True or False in its place is verbose.)
    :param verbose: log at DEBUG to the logger "pycape". It is one for the process, as is the log of
        the library: what other clients do is shown too, and that goes on after this one.
    :param enclave: a :class:`LocalEnclave`. It brings its URL, root and authority, and unless
        policy says otherwise only that enclave is accepted.
    :param attestation_root: trust this root in place of AWS's: PEM, or a path. Else the
        environment variable CAPE_ATTESTATION_ROOT, which is then logged as a warning.
    :param tls_ca: trust this authority for TLS, not the system's: PEM, or a path. Else CAPE_TLS_CA.
    :param policy: which enclaves are accepted: "any", a dict such as ``{"pcrs": {"0": ["hex"]}}``,
        or the path of a JSON file with one. None accepts any, and warns, unless the function
        reference has a hash.
    :param timeout: seconds for connecting, and for each call; 30 by default. For :meth:`deploy` and
        :meth:`test` it bounds each wait for the service, and not the whole. A single call has none
        of its own: the keywords of :meth:`invoke` are the function's.
    :param insecure_ws: permit ``ws://`` to another machine. Results can then be read and forged
        on the way.
    :param proxy: ``http://host:port`` of a proxy for CONNECT. The environment is not read.
    :param reconnect: when the connection is lost, the next invoke opens another: to the same
        function, under the same policy, with a fresh nonce. What was under way has failed, and
        is never sent again. State that the function kept is gone.
    :param signed_results: have the enclave sign each result with a key that its attestation
        document states; one that is not proved so is an :class:`AttestationError`, and ends the
        connection. Without it, results are protected on the way by TLS alone.
    :param progress: for inputs of more than 4 MiB, True shows how far they are, with tqdm if that
        is installed, else in the log. A function is called with a :class:`Progress` instead; what
        it raises ends the call. A single call has none of its own, like the time-out.
    :raises ValueError: a file cannot be read, or an argument is not usable in itself.
    :raises TypeError: an argument has the wrong type.

    No library is loaded before the first call, which judges what url, policy, proxy and
    certificates say, with errors of the same kind. Ctrl-C ends a call that waits, within 100 ms,
    and cancels what it waits for; a function that was called may run on. For programs that use
    asyncio there is :class:`pycape.aio.Cape`; for those of pycape 3, ``await cape.run.aio(...)`` and
    the like do the same on the connection of this client.
    """

    @with_twin
    def connect(
        self,
        function_ref: FunctionLike,
        function_token: str | Token | None = None,
        pcrs: PCRs | None = None,
        *,
        token: str | Token | None = None,
    ) -> None:
        """Opens a session with a function, in place of the present one if there is one.

        The enclave has to prove itself first: its attestation document is verified, against the
        root, a fresh nonce, the policy, and the hash of the function reference if it has one.

        :param function_ref: the function; its id or name will do.
        :param function_token: a token for this function, in place of the access token. A
            :class:`Token` here is an access token.
        :param pcrs: measurements that the enclave must have, beside what the policy says:
            ``{"0": ["hex"]}``.
        :param token: an access token for this connection.
        :raises TypeError: function_ref is something else. The present session goes on.
        :raises ValueError: an option is not usable; or no token was given and none is stored.
        :raises RuntimeError: one of :class:`ConnectError`, :class:`TLSError`,
            :class:`AuthError`, :class:`AttestationError`, :class:`PolicyError`,
            :class:`ProtocolError`, :class:`CapeTimeoutError`, :class:`LibraryError`;
            :class:`ClosedError` where :meth:`close` is called meanwhile, and there is no session.
        """
        self._connect(checked(function_ref, function_token, token, pcrs))

    @with_twin
    def function_context(
        self,
        function_ref: FunctionLike,
        token: str | Token | None = None,
        pcrs: PCRs | None = None,
    ) -> FunctionContext:
        """Opens a session for a ``with`` block, and closes it at its end::

            with cape.function_context("user/name", token):
                results = [cape.invoke(data) for data in inputs]

        :param token: a :class:`Token` is an access token, text a token for the function, as for
            :meth:`connect`, whose other parameters and errors it has.
        """
        return FunctionContext(self, checked(function_ref, token, None, pcrs))

    @with_twin
    def invoke(
        self,
        /,
        *args: Any,
        serde_hooks: SerdeHooks | None = None,
        use_serdio: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Calls the function and returns its result.

        Without serdio the function takes exactly one argument, of bytes (or a bytearray or a
        memoryview), and returns bytes. It is sealed to the key that the enclave has proved; up to
        64 MiB. Any keyword but the two below is an argument of the function.

        :param use_serdio: send any number of arguments, of the types that :mod:`serdio` knows,
            and return the function's result likewise.
        :param serde_hooks: an encoder and a decoder for other types; implies use_serdio.

        A function whose own parameters have these names is called with :class:`Arguments`.

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
            return call.value(self._called(self._present(), call))

    @with_twin
    def run(
        self,
        function_ref: FunctionLike,
        *args: Any,
        function_token: str | Token | None = None,
        serde_hooks: SerdeHooks | None = None,
        use_serdio: bool = False,
        pcrs: PCRs | None = None,
        **kwargs: Any,
    ) -> Any:
        """Connects, invokes once, and closes, leaving the present connection alone.

        A :class:`Token` that follows function_ref, or is named ``token``, is the access token for
        this call; anything else there is the function's. Other parameters and errors are those of
        :meth:`connect` and :meth:`invoke`.
        """
        target, args = checked_run(function_ref, args, kwargs, function_token, pcrs)
        call = Call(args, kwargs, serde_hooks, use_serdio)
        with forwarding:
            connection = self._session(target)
            try:
                return call.value(self._called(connection, call))
            finally:
                connection.close()

    @with_twin
    def key(
        self,
        *,
        username: str | None = None,
        key_path: StrPath | None = None,
        pcrs: PCRs | None = None,
        token: str | Token | None = None,
    ) -> bytes:
        """The Cape key of a user, for :meth:`encrypt`: RSA-4096 in DER.

        It is what an enclave attests, and is kept in ``~/.config/cape/encryption_keys``, for this
        service, this user and this policy alone, unless the policy bounds the age of a document.

        :param username: whose. None: that of the token's owner. The document with a key of a user
            is one that the service keeps, and that the key is this user's is what the service says.
        :param key_path: a file with the key. Where there is none, the key is fetched and put there.
        :param pcrs: measurements that the enclave must have, as for :meth:`connect`.
        :param token: an access token, in place of the client's.
        :raises ValueError: username and key_path were given; the file holds no key; or no token was
            given and none is stored.
        :raises RuntimeError: as :meth:`connect`.
        """
        with forwarding:
            return self._asked(self._getting_key(username, key_path, token, pcrs))

    @with_twin
    def encrypt(
        self,
        input: checks.Data,
        *,
        username: str | None = None,
        key: bytes | None = None,
        key_path: StrPath | None = None,
        pcrs: PCRs | None = None,
        token: str | Token | None = None,
    ) -> bytes:
        """Seals an input, so that only a function of the key's owner can read it. A function that
        is given the result as its input sees the plaintext.

        :param input: bytes, bytearray or a memoryview; up to 64 MiB.
        :param key: a key that :meth:`key` gave; PEM will do. It needs no connection. None: the key
            that :meth:`key` gives with the other parameters.
        :returns: ``cape:`` and base64.
        :raises ValueError: the key is none, or two are named; input is too long; as :meth:`key`.
        :raises TypeError: input or key is not bytes.
        """
        keys.check_one(key, username, key_path)
        if key is None:
            input = checks.data("input", input, reason="argument.type")
            key = self.key(username=username, key_path=key_path, pcrs=pcrs, token=token)
        return keys.sealed(key, input)

    def deploy(
        self,
        path: StrPath,
        *,
        name: str | None = None,
        public: bool = False,
        token: str | Token | None = None,
        pcrs: PCRs | None = None,
        progress: ProgressLike = None,
    ) -> FunctionRef:
        """Deploys a function, sealed to the key of an enclave that has proved itself::

            function = cape.deploy("./echo")
            cape.run(function, b"hello")

        :param path: a folder with an ``app.py`` that defines ``cape_handler``, or a zip of one. What
            is in it is not looked at: :meth:`test` it first.
        :param name: "name" or "user/name". None: the base name of path, up to its first dot. A name
            that is taken means the new function; the older one keeps its id alone, for good.
        :param public: anyone may call it, and not its owner alone.
        :param token: an access token, in place of the client's.
        :param pcrs: measurements that the enclave must have, as for :meth:`connect`.
        :param progress: in place of the client's.
        :returns: the function with its checksum, which was computed here: connecting with it fails
            where the enclave runs another. :attr:`report` is then that of this enclave.
        :raises ValueError: path holds no function; or no token was given and none is stored.
        :raises RuntimeError: as :meth:`connect`; :class:`FunctionError` if the enclave refuses the
            function. After :class:`CapeTimeoutError` and :class:`ClosedError` it may be deployed.
            The time-out bounds each wait for the service, and not the whole, which Ctrl-C ends.
        """
        checked_progress(progress)
        with forwarding:
            request = self._deploying(path, name, public, token, pcrs)
            return self._asked(request, self._progress if progress is None else progress)

    def test(
        self,
        path: StrPath,
        /,
        *args: Any,
        token: str | Token | None = None,
        pcrs: PCRs | None = None,
        serde_hooks: SerdeHooks | None = None,
        use_serdio: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Runs a function once in an enclave, without deploying it, and returns its result.

        :param path: as for :meth:`deploy`, as is the time-out; the others are as for :meth:`invoke`.
        :raises ValueError, TypeError: as :meth:`invoke` and :meth:`deploy`.
        :raises RuntimeError: as :meth:`connect` and :meth:`invoke`.
        """
        with forwarding:
            return self._asked(
                self._testing(path, args, kwargs, token, pcrs, serde_hooks, use_serdio)
            )

    def list(
        self, limit: int = 50, offset: int = 0, *, token: str | Token | None = None
    ) -> builtins.list[DeployedFunction]:
        """The functions of the token's owner, as the service says.

        :param limit: how many at most, from 1 to 1000.
        :param offset: how many to leave out.
        :raises RuntimeError: :class:`AuthError` and others.
        """
        with forwarding:
            return self._asked(self._listing(limit, offset, token))

    def delete(self, function: FunctionLike, *, token: str | Token | None = None) -> None:
        """Deletes a function, by its id or a reference with its id.

        :raises RuntimeError: :class:`ConnectError` if there is none; :class:`AuthError`.
        """
        with forwarding:
            self._asked(self._deleting(function, token))

    def create_token(
        self,
        name: str | None = None,
        description: str | None = None,
        *,
        function: FunctionLike | None = None,
        expiry: Expiry = None,
        token: str | Token | None = None,
    ) -> Token:
        """Makes a token of the caller's, which the service tells this once only.

        :param function: the only function that it may call, by its id or a reference with its id.
        :param expiry: a datetime with a time zone; how long from now, as a timedelta, in seconds,
            or as "720h"; or a time in RFC 3339. None: never.
        :param token: the access token that asks for it, in place of the client's.
        :raises ValueError: the expiry is none.
        :raises RuntimeError: :class:`AuthError` and others.
        """
        with forwarding:
            return self._asked(self._creating_token(name, description, function, expiry, token))

    def list_tokens(self, *, token: str | Token | None = None) -> builtins.list[TokenInfo]:
        """The tokens of the caller's, as the service says, without the tokens themselves.

        :raises RuntimeError: :class:`AuthError` and others.
        """
        with forwarding:
            return self._asked(self._listing_tokens(token))

    def delete_token(self, id: str, *, token: str | Token | None = None) -> None:
        """Makes a token, by its id, of no use any more.

        :raises RuntimeError: :class:`ConnectError` if there is none; :class:`AuthError`.
        """
        with forwarding:
            self._asked(self._deleting_token(id, token))

    @with_twin
    def close(self) -> None:
        """Closes the connection, if there is one, and wakes the calls that wait on it. It never
        blocks, and may be called at any time. :meth:`connect` opens another; one that another
        thread is in opens none."""
        self._drop()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self, target: Target) -> None:
        with forwarding:
            closes = self._left()
            self._keep(self._session(target), closes)

    def _session(self, target: Target) -> _ffi.Connection:
        return self._opened(_ffi.connect(self._options(target)))

    def _called(self, connection: _ffi.Connection, call: Call) -> bytes:
        if not self._progress:
            return connection.invoke(call.input)
        with watching(self._progress, "invoke", len(call.input)) as watch:
            return connection.invoke(call.input, watch)

    def _asked(self, request: Request[_T], progress: ProgressLike = None) -> _T:
        if request.known is not None:
            return request.known
        with watching(progress, request.what) as watch:
            operation = _ffi.Requesting(request.options, request.data)
            return request.value(_ffi.finished(operation, watch))


class FunctionContext:
    """The ``with`` block of :meth:`Cape.function_context`."""

    def __init__(self, cape: Cape, target: Target) -> None:
        self._cape, self._target = cape, target

    def __enter__(self) -> Cape:
        self._cape._connect(self._target)
        return self._cape

    def __exit__(self, *_: object) -> None:
        self._cape.close()
