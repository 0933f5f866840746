"""The client for programs that use asyncio."""

from __future__ import annotations

import asyncio
import builtins
import weakref
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from pycape import _ffi, checks, keys
from pycape.call import Call
from pycape.client import Target, checked, checked_run
from pycape.function_ref import FunctionLike, FunctionRef
from pycape.monitor import forwarding
from pycape.policy import PCRs
from pycape.progress import ProgressLike, checked as checked_progress, watching
from pycape.service import DeployedFunction, Expiry, Request, Service, StrPath, TokenInfo
from pycape.token import Token

if TYPE_CHECKING:
    from serdio.hooks import SerdeHooks

__all__ = ["Cape"]

_T = TypeVar("_T")
_Self = TypeVar("_Self", bound="Cape")


class Cape(Service):
    """Like :class:`pycape.Cape`, with the same parameters and errors, and with coroutines in place
    of the calls that wait::

        async with Cape(url="wss://enclave.example.com", policy=policy) as cape:
            await cape.connect("user/name")
            results = await asyncio.gather(*(cape.invoke(data) for data in inputs))

    Any number of calls may be under way, without a thread for any of them. Cancelling a task, as
    :func:`asyncio.wait_for` and ``asyncio.timeout`` do, cancels the call that it awaits: the
    function may then have run or not. That bounds a whole :meth:`deploy` or :meth:`test` too, of which
    the parameter timeout bounds each wait for the service. An instance may be used by several event loops, each in
    a thread of its own.
    """

    async def connect(
        self,
        function_ref: FunctionLike,
        function_token: str | Token | None = None,
        pcrs: PCRs | None = None,
        *,
        token: str | Token | None = None,
    ) -> None:
        """Opens a session with a function, as :meth:`pycape.Cape.connect` does."""
        await self._connect(checked(function_ref, function_token, token, pcrs))

    def function_context(
        self,
        function_ref: FunctionLike,
        token: str | Token | None = None,
        pcrs: PCRs | None = None,
    ) -> FunctionContext:
        """Opens a session for an ``async with`` block, as :meth:`pycape.Cape.function_context`
        does."""
        return FunctionContext(self, checked(function_ref, token, None, pcrs))

    async def invoke(
        self,
        /,
        *args: Any,
        serde_hooks: SerdeHooks | None = None,
        use_serdio: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Calls the function and returns its result, as :meth:`pycape.Cape.invoke` does."""
        call = Call(args, kwargs, serde_hooks, use_serdio)
        with forwarding:
            return call.value(await self._called(self._present(), call))

    async def run(
        self,
        function_ref: FunctionLike,
        *args: Any,
        function_token: str | Token | None = None,
        serde_hooks: SerdeHooks | None = None,
        use_serdio: bool = False,
        pcrs: PCRs | None = None,
        **kwargs: Any,
    ) -> Any:
        """Connects, invokes once, and closes, as :meth:`pycape.Cape.run` does."""
        target, args = checked_run(function_ref, args, kwargs, function_token, pcrs)
        call = Call(args, kwargs, serde_hooks, use_serdio)
        with forwarding:
            connection = await self._session(target)
            try:
                return call.value(await self._called(connection, call))
            finally:
                connection.close()

    async def key(
        self,
        *,
        username: str | None = None,
        key_path: StrPath | None = None,
        pcrs: PCRs | None = None,
        token: str | Token | None = None,
    ) -> bytes:
        """The Cape key of a user, as :meth:`pycape.Cape.key` gives it."""
        with forwarding:
            return await self._asked(self._getting_key(username, key_path, token, pcrs))

    async def encrypt(
        self,
        input: checks.Data,
        *,
        username: str | None = None,
        key: bytes | None = None,
        key_path: StrPath | None = None,
        pcrs: PCRs | None = None,
        token: str | Token | None = None,
    ) -> bytes:
        """Seals an input, as :meth:`pycape.Cape.encrypt` does."""
        keys.check_one(key, username, key_path)
        if key is None:
            input = checks.data("input", input, reason="argument.type")
            key = await self.key(username=username, key_path=key_path, pcrs=pcrs, token=token)
        return keys.sealed(key, input)

    async def deploy(
        self,
        path: StrPath,
        *,
        name: str | None = None,
        public: bool = False,
        token: str | Token | None = None,
        pcrs: PCRs | None = None,
        progress: ProgressLike = None,
    ) -> FunctionRef:
        """Deploys a function, as :meth:`pycape.Cape.deploy` does. The client's time-out bounds each
        wait for the service; :func:`asyncio.wait_for` bounds the whole."""
        checked_progress(progress)
        with forwarding:
            request = self._deploying(path, name, public, token, pcrs)
            return await self._asked(request, self._progress if progress is None else progress)

    async def test(
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
        """Runs a function once, without deploying it, as :meth:`pycape.Cape.test` does. The time-out
        is as for :meth:`deploy`."""
        with forwarding:
            return await self._asked(
                self._testing(path, args, kwargs, token, pcrs, serde_hooks, use_serdio)
            )

    async def list(
        self, limit: int = 50, offset: int = 0, *, token: str | Token | None = None
    ) -> builtins.list[DeployedFunction]:
        """The functions of the token's owner, as :meth:`pycape.Cape.list` gives them."""
        with forwarding:
            return await self._asked(self._listing(limit, offset, token))

    async def delete(self, function: FunctionLike, *, token: str | Token | None = None) -> None:
        """Deletes a function, as :meth:`pycape.Cape.delete` does."""
        with forwarding:
            await self._asked(self._deleting(function, token))

    async def create_token(
        self,
        name: str | None = None,
        description: str | None = None,
        *,
        function: FunctionLike | None = None,
        expiry: Expiry = None,
        token: str | Token | None = None,
    ) -> Token:
        """Makes a token, as :meth:`pycape.Cape.create_token` does."""
        with forwarding:
            return await self._asked(
                self._creating_token(name, description, function, expiry, token)
            )

    async def list_tokens(self, *, token: str | Token | None = None) -> builtins.list[TokenInfo]:
        """The tokens of the caller's, as :meth:`pycape.Cape.list_tokens` gives them."""
        with forwarding:
            return await self._asked(self._listing_tokens(token))

    async def delete_token(self, id: str, *, token: str | Token | None = None) -> None:
        """Makes a token of no use any more, as :meth:`pycape.Cape.delete_token` does."""
        with forwarding:
            await self._asked(self._deleting_token(id, token))

    async def close(self) -> None:
        """Closes the connection, if there is one, and wakes the calls that wait on it, as
        :meth:`pycape.Cape.close` does. There is nothing that it waits for."""
        self._drop()

    async def __aenter__(self: _Self) -> _Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _connect(self, target: Target) -> None:
        with forwarding:
            closes = self._left()
            self._keep(await self._session(target), closes)

    async def _session(self, target: Target) -> _ffi.Connection:
        options = self._options(target)
        return self._opened(await _ended(lambda queue: _ffi.Connecting(options, queue)))

    async def _called(self, connection: _ffi.Connection, call: Call) -> bytes:
        if not self._progress:
            return await _ended(lambda queue: _ffi.Invoking(connection, call.input, queue))
        with watching(self._progress, "invoke", len(call.input)) as watch:
            return await _ended(lambda queue: _ffi.Invoking(connection, call.input, queue), watch)

    async def _asked(self, request: Request[_T], progress: ProgressLike = None) -> _T:
        if request.known is not None:
            return request.known
        with watching(progress, request.what) as watch:
            answer = await _ended(
                lambda queue: _ffi.Requesting(request.options, request.data, queue), watch
            )
            return request.value(answer)


class FunctionContext:
    """The ``async with`` block of :meth:`Cape.function_context`."""

    def __init__(self, cape: Cape, target: Target) -> None:
        self._cape, self._target = cape, target

    async def __aenter__(self) -> Cape:
        await self._cape._connect(self._target)
        return self._cape

    async def __aexit__(self, *_: object) -> None:
        await self._cape.close()


async def _ended(
    start: Callable[[_ffi.Queue], _ffi.Operation[_T]], watch: _ffi.Watch | None = None
) -> _T:
    """Starts an operation and gives its result. It is cancelled with the task."""
    loop = asyncio.get_running_loop()
    with start(_queue(loop)) as operation:
        ended = loop.create_future()
        operation.tell(ended)
        while watch is not None and not ended.done():
            await asyncio.wait([ended], timeout=_ffi.SLICE / 1000)
            watch(operation.progress())
        await ended
        return operation.result()


# The queue of each event loop. The loop alone holds on to it, as an argument of its reader: a
# queue ends with its loop, and the operations of a loop that was closed do not keep it.
_QUEUES: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[_ffi.Queue]]
_QUEUES = weakref.WeakKeyDictionary()


def _queue(loop: asyncio.AbstractEventLoop) -> _ffi.Queue:
    known = _QUEUES.get(loop)
    queue = None if known is None else known()
    if queue is None:
        queue = _ffi.Queue()
        loop.add_reader(queue.descriptor, _wake, queue)
        _QUEUES[loop] = weakref.ref(queue)
    return queue


def _wake(queue: _ffi.Queue) -> None:
    for ended in queue.take():
        if not ended.done():
            ended.set_result(None)
