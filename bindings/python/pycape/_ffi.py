"""The native library, by ctypes. No handle, pointer or status leaves this file.

The table of its functions is in _abi. A status other than 0 becomes an exception. Inputs are lent
to the library as they are. A result is written into the bytes that the program gets, or, a small
one, copied once.

What may take long is an operation, for which one waits in slices, so that a program can be
interrupted, or which a queue tells of.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import weakref
from ctypes import c_char, c_int32, c_size_t, c_uint64, c_void_p
from typing import Any, Callable, Generic, Iterator, NamedTuple, TypeVar

from pycape._abi import MAJOR as MAJOR
from pycape._abi import SIGNATURES as SIGNATURES
from pycape._abi import Buf as _Buf
from pycape._abi import Error as _Error
from pycape._abi import Progress as _Progress
from pycape._abi import library as _lib
from pycape.errors import (
    ArgumentError,
    ArgumentTypeError,
    CapeError,
    CapeMemoryError,
    CapeTimeoutError,
    ClosedError,
    LimitError,
)

# Without a source it gives bytes that are yet to be written.
_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
_bytes.argtypes = (c_void_p, ctypes.c_ssize_t)
_bytes.restype = ctypes.py_object

#: Milliseconds after which a call that waits looks whether the program was interrupted.
SLICE = 50

# A result that fits is taken by one call. It is made anew for each: a signal handler may invoke.
_Small = c_char * 4096

_T = TypeVar("_T")


def _take(buf: _Buf) -> bytes:
    """What an output holds; it is empty after that."""
    try:
        return b"" if not buf.len else bytes(_bytes(buf.data, buf.len))
    finally:
        _lib().cape_buf_free(buf)


def _answer(function: Any, *arguments: Any) -> Any:
    """What a function says in JSON."""
    output = _Buf()
    try:
        function(*arguments, output, _Error())
    finally:
        text = _take(output)
    return json.loads(text)


def _close(handle: int) -> None:
    """Runs at the end of an object, of any thread and of the program: it raises nothing. In a
    forked child the handle belongs to the parent, and the library refuses."""
    with contextlib.suppress(CapeError):
        _lib().cape_close(handle, _Error())


class _Object:
    """Something open in the library. Forgetting it closes it. Any thread may use it."""

    what: str

    def __init__(self, handle: int, close: Any = _close, *more: Any) -> None:
        self._handle = handle
        self._finalizer = weakref.finalize(self, close, handle, *more)

    def close(self) -> None:
        """Closes, and wakes the calls that wait. Later calls do nothing."""
        self._finalizer()

    def _open(self) -> int:
        if not self._finalizer.alive:
            raise ClosedError(f"the {self.what} is closed", reason="closed.not_sent")
        return self._handle


class Connection(_Object):
    """A session with a function of an attested enclave."""

    what = "connection"

    def invoke(self, data: bytes, watch: Watch | None = None) -> bytes:
        return finished(Invoking(self, data), watch)


class Enclave(_Object):
    """A local enclave in this process."""

    what = "local enclave"

    def info(self) -> Any:
        return _answer(_lib().cape_enclave_info, self._open())

    def set_faults(self, names: list[str]) -> None:
        faults = _json(names)
        _lib().cape_enclave_set_faults(self._open(), faults, len(faults), _Error())


class Queue(_Object):
    """Tells which operations have ended. It is of one event loop, and of its thread alone."""

    what = "completion queue"

    def __init__(self) -> None:
        lib, handle, descriptor = _lib(), c_uint64(), c_int32(-1)
        try:
            lib.cape_queue_open(handle, descriptor, _Error())
            super().__init__(handle.value, _close_queue, descriptor.value)
        except BaseException:
            if handle.value:
                _close_queue(handle.value, descriptor.value)
            raise
        #: Readable when operations have ended.
        self.descriptor = descriptor.value
        self._finalizer.atexit = False
        self._waiting: dict[int, Any] = {}
        self._ended, self._count = (c_uint64 * 256)(), c_size_t()

    def take(self) -> list[Any]:
        """Whoever is to be told, of each operation that has ended. While there are more, the
        descriptor stays readable."""
        _lib().cape_queue_take(self._open(), self._ended, 256, self._count, _Error())
        ended = self._ended[: self._count.value]
        return [self._waiting.pop(handle) for handle in ended if handle in self._waiting]


def _close_queue(handle: int, descriptor: int) -> None:
    """The copy of the descriptor that a forked child has is left alone: the number may already
    be that of another file."""
    with contextlib.suppress(CapeError, OSError):
        _lib().cape_close(handle, _Error())
        os.close(descriptor)


class Progress(NamedTuple):
    """How far a call is, in bytes as they go over the network."""

    sent: int  #: of the request
    to_send: int  #: what the request has in all
    received: int  #: of the reply, which is base64 and whose length is not known before


#: What is told of the progress while a call is waited for.
Watch = Callable[[Progress], object]


class Operation(Generic[_T]):
    """A connect, an invoke or a request that goes on by itself. At the end of its ``with`` block, or when it
    is forgotten, it is cancelled, unless it has ended and its result was taken."""

    def __init__(self, queue: Queue | None) -> None:
        self._handle = c_uint64()
        self._queue = queue
        self._lib, self._err = _lib(), _Error()

    def wait(self, watch: Watch | None = None) -> None:
        """Waits until it has ended, in whatever way."""
        ended = False
        while not ended:
            try:
                self._lib.cape_op_wait(self._handle, SLICE, self._err)
                ended = True
            except CapeTimeoutError as error:
                if error.reason != "timeout.wait":
                    raise
            if watch is not None:
                watch(self.progress())

    def progress(self) -> Progress:
        """How far it is. Its result has not been taken yet."""
        found = _Progress(size=ctypes.sizeof(_Progress))
        self._lib.cape_op_progress(self._handle, found, self._err)
        return Progress(found.sent, found.to_send, found.received)

    def tell(self, waiting: Any) -> None:
        """Has the queue tell of its end by giving this."""
        if self._queue is not None:
            self._queue._waiting[self._handle.value] = waiting

    def result(self) -> _T:
        """What it came to. It has ended."""
        raise NotImplementedError

    def close(self) -> None:
        """Cancels it and forgets its result. After the result was taken it does nothing."""
        if self._handle.value:
            _close(self._handle.value)
            if self._queue is not None:
                self._queue._waiting.pop(self._handle.value, None)
            self._handle.value = 0
        self._queue = None  # an error that the program keeps holds this, and must not hold that

    def __enter__(self) -> Operation[_T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _outcome(self, connection: c_uint64 | None = None) -> bytes:
        length = c_size_t()
        try:
            return self._taken(_Small(), length, connection)
        except LimitError as error:
            if error.reason != "limit.buffer":
                raise
        return self._taken(_unwritten(length.value), length, connection)

    def _taken(self, buffer: Any, length: c_size_t, connection: c_uint64 | None) -> bytes:
        try:
            self._lib.cape_op_result(
                self._handle, connection, buffer, len(buffer), length, self._err
            )
        except CapeError as error:
            if length.value and error.reason != "limit.buffer":
                error.report = json.loads(buffer[: length.value])
            raise
        self._handle.value = 0
        output: bytes = buffer[: length.value]  # all of it is no copy
        return output


class Connecting(Operation["tuple[Connection, dict[str, Any]]"]):
    """A connect. Its result is a session, and the report of the verification. An error carries
    the report likewise."""

    def __init__(self, options: dict[str, Any], queue: Queue | None = None) -> None:
        super().__init__(queue)
        self._lib.cape_connect_start(*_lent(options), _handle_of(queue), self._handle, self._err)

    def result(self) -> tuple[Connection, dict[str, Any]]:
        handle = c_uint64()
        with _closed_on_error(handle):
            report = self._outcome(handle)
            return Connection(handle.value), json.loads(report)


class Invoking(Operation[bytes]):
    """An invoke. Its result is that of the function."""

    def __init__(self, connection: Connection, data: bytes, queue: Queue | None = None) -> None:
        super().__init__(queue)
        self._lib.cape_invoke_start(
            connection._open(), data, bytes.__len__(data), 0, _handle_of(queue), self._handle, self._err
        )

    def result(self) -> bytes:
        return self._outcome()


class Requesting(Operation[bytes]):
    """A request to a service. Its result is what cape.h says for each."""

    def __init__(self, options: dict[str, Any], data: bytes, queue: Queue | None = None) -> None:
        super().__init__(queue)
        size, of = bytes.__len__(data), _handle_of(queue)
        self._lib.cape_request_start(*_lent(options), data, size, of, self._handle, self._err)

    def result(self) -> bytes:
        return self._outcome()


def finished(operation: Operation[_T], watch: Watch | None = None) -> _T:
    """Waits for an operation and gives its result."""
    with operation:
        operation.wait(watch)
        return operation.result()


def _handle_of(queue: Queue | None) -> int:
    return 0 if queue is None else queue._open()


def _unwritten(length: int) -> bytes:
    try:
        unwritten: bytes = _bytes(None, length)
        return unwritten
    except MemoryError as error:
        raise CapeMemoryError(
            f"a result of {length} bytes finds no memory", reason="memory.output", code=-14
        ) from error


def connect(options: dict[str, Any]) -> tuple[Connection, dict[str, Any]]:
    """Opens a session, as Connecting does, and waits for it."""
    return finished(Connecting(options))


def encrypt(key: bytes, data: bytes) -> bytes:
    """What data is, sealed to a Cape key: "cape:" and base64."""
    output = _Buf()
    try:
        sizes = bytes.__len__(key), bytes.__len__(data)
        _lib().cape_encrypt(key, sizes[0], data, sizes[1], output, _Error())
    finally:
        text = _take(output)
    return text


def verify(document: bytes, options: dict[str, Any]) -> dict[str, Any]:
    """The report on a document. An error carries it likewise."""
    text = _json(options)
    lib, report = _lib(), _Buf()
    with _reported(report):
        lib.cape_verify(document, bytes.__len__(document), text, len(text), report, _Error())
        return _parsed(report) or {}


def start_enclave(options: dict[str, Any]) -> Enclave:
    text = _json(options)
    lib, handle = _lib(), c_uint64()
    with _closed_on_error(handle):
        lib.cape_enclave_start(text, len(text), handle, _Error())
        return Enclave(handle.value)


def log_records(after: int) -> Any:
    """The records of the library's log that it still has and whose number is above after."""
    return _answer(_lib().cape_log_read, c_uint64(after))


def counters() -> Any:
    return _answer(_lib().cape_counters)


_NO_JSON = "an option has no form in JSON: "


def _json(value: Any) -> bytes:
    """Options as the library reads them.

    :raises ArgumentError, ArgumentTypeError: JSON has no form for something in them.
    """
    try:
        return json.dumps(value, allow_nan=False).encode()
    except TypeError as error:
        raise ArgumentTypeError(_NO_JSON + str(error), reason="argument.options") from error
    except ValueError as error:
        raise ArgumentError(_NO_JSON + str(error), reason="argument.options") from error
    except RecursionError:
        raise ArgumentError(_NO_JSON + "nested too deeply", reason="argument.options") from None


def _lent(options: dict[str, Any]) -> tuple[bytes, int]:
    """Options and how long they are. No variable of the caller's holds the token in them, which a
    traceback might show."""
    text = _json(options)
    return text, len(text)


@contextlib.contextmanager
def _closed_on_error(handle: c_uint64) -> Iterator[None]:
    """Closes what a call opened where the program does not come to have it: an interrupt is
    raised when the library returns."""
    try:
        yield
    except BaseException:
        if handle.value:
            _close(handle.value)
        raise


@contextlib.contextmanager
def _reported(report: _Buf) -> Iterator[None]:
    """Puts the report into the error, and frees it whatever the error is."""
    try:
        yield
    except CapeError as error:
        error.report = _parsed(report)
        raise
    except BaseException:
        _lib().cape_buf_free(report)
        raise


def _parsed(report: _Buf) -> dict[str, Any] | None:
    text = _take(report)
    return json.loads(text) if text else None
