"""The client for programs that use asyncio."""

from __future__ import annotations

import asyncio
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from pycape import _ffi
from pycape.call import Call
from pycape.client import Client, checked
from pycape.function_ref import FunctionRef
from pycape.monitor import forwarding

if TYPE_CHECKING:
    from serdio.hooks import SerdeHooks

__all__ = ["Cape"]

_T = TypeVar("_T")


class Cape(Client):
    """Like :class:`pycape.Cape`, with the same parameters and errors, and with coroutines in place
    of the calls that wait::

        async with Cape(url="wss://enclave.example.com", policy=policy) as cape:
            await cape.connect("user/name")
            results = await asyncio.gather(*(cape.invoke(data) for data in inputs))

    Any number of calls may be under way, without a thread for any of them. Cancelling a task, as
    :func:`asyncio.wait_for` and ``asyncio.timeout`` do, cancels the call that it awaits: the
    function may then have run or not. An instance may be used by several event loops, each in
    a thread of its own.
    """

    async def connect(
        self, function_ref: FunctionRef | str, function_token: str | None = None
    ) -> None:
        """Opens a session with a function, as :meth:`pycape.Cape.connect` does."""
        target = checked(function_ref, function_token)
        with forwarding:
            closes = self._left()
            self._keep(await self._session(*target), closes)

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
            return call.value(await _invoked(self._present(), call.input))

    async def run(
        self,
        function_ref: FunctionRef | str,
        *args: Any,
        function_token: str | None = None,
        serde_hooks: SerdeHooks | None = None,
        use_serdio: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Connects, invokes once, and closes, as :meth:`pycape.Cape.run` does."""
        call = Call(args, kwargs, serde_hooks, use_serdio)
        target = checked(function_ref, function_token)
        with forwarding:
            connection = await self._session(*target)
            try:
                return call.value(await _invoked(connection, call.input))
            finally:
                connection.close()

    async def close(self) -> None:
        """Closes the connection, if there is one, and wakes the calls that wait on it, as
        :meth:`pycape.Cape.close` does. There is nothing that it waits for."""
        self._drop()

    async def __aenter__(self) -> Cape:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _session(self, reference: FunctionRef, function_token: str | None) -> _ffi.Connection:
        options = self._options(reference, function_token)
        return self._opened(await _ended(lambda queue: _ffi.Connecting(options, queue)))


async def _invoked(connection: _ffi.Connection, data: bytes) -> bytes:
    return await _ended(lambda queue: _ffi.Invoking(connection, data, queue))


async def _ended(start: Callable[[_ffi.Queue], _ffi.Operation[_T]]) -> _T:
    """Starts an operation and gives its result. It is cancelled with the task."""
    loop = asyncio.get_running_loop()
    with start(_queue(loop)) as operation:
        ended = loop.create_future()
        operation.tell(ended)
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
