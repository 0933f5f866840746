"""The native library, by ctypes. No handle, pointer or status leaves this file.

Every function of include/cape.h is in one table. A status other than 0 becomes an exception.
Inputs are lent to the library as they are. A result is written into the bytes that the program
gets, or, a small one, copied once.

What may take long is an operation, for which one waits in slices, so that a program can be
interrupted, or which a queue tells of.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import weakref
from ctypes import POINTER, c_char, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Generic, Iterator, TypeVar

from pycape.errors import (
    ArgumentError,
    ArgumentTypeError,
    CapeError,
    CapeMemoryError,
    CapeTimeoutError,
    ClosedError,
    LibraryError,
    LimitError,
    error_for,
)

#: The version of include/cape.h that the table below was written for.
MAJOR = 1


class _Buf(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("len", c_size_t)]


class _Error(ctypes.Structure):
    _fields_ = [
        ("size", c_uint32),
        ("code", c_int32),
        ("reason", c_char * 64),
        ("message", c_char * 512),
    ]

    def __init__(self) -> None:
        super().__init__(size=ctypes.sizeof(_Error))


class _Progress(ctypes.Structure):
    _fields_ = [
        ("size", c_uint32),
        ("finished", c_uint32),
        ("sent", c_uint64),
        ("to_send", c_uint64),
        ("received", c_uint64),
    ]


# c_char_p takes bytes without a copy; cape.h has the names of the parameters.
_ERR = POINTER(_Error)
_BUF = POINTER(_Buf)
_HANDLE = POINTER(c_uint64)
_NUMBER = POINTER(c_uint32)
_LENGTH = POINTER(c_size_t)
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cape_version": (_NUMBER, _NUMBER, _NUMBER, _ERR),
    "cape_buf_free": (_BUF,),
    "cape_connect": (c_char_p, c_size_t, _HANDLE, _BUF, _ERR),
    "cape_invoke": (c_uint64, c_char_p, c_size_t, _BUF, _ERR),
    "cape_close": (c_uint64, _ERR),
    "cape_connect_start": (c_char_p, c_size_t, c_uint64, _HANDLE, _ERR),
    "cape_invoke_start": (c_uint64, c_char_p, c_size_t, c_uint32, c_uint64, _HANDLE, _ERR),
    "cape_request_start": (c_char_p, c_size_t, c_char_p, c_size_t, c_uint64, _HANDLE, _ERR),
    "cape_encrypt": (c_char_p, c_size_t, c_char_p, c_size_t, _BUF, _ERR),
    "cape_op_wait": (c_uint64, c_uint32, _ERR),
    "cape_op_result": (c_uint64, _HANDLE, c_char_p, c_size_t, _LENGTH, _ERR),
    "cape_op_progress": (c_uint64, POINTER(_Progress), _ERR),
    "cape_op_cancel": (c_uint64, _ERR),
    "cape_queue_open": (_HANDLE, POINTER(c_int32), _ERR),
    "cape_queue_take": (c_uint64, _HANDLE, c_size_t, _LENGTH, _ERR),
    "cape_log_read": (POINTER(c_uint64), _BUF, _ERR),
    "cape_counters": (_BUF, _ERR),
    "cape_verify": (c_char_p, c_size_t, c_char_p, c_size_t, _BUF, _ERR),
    "cape_serdio_encode": (c_char_p, c_size_t, _BUF, _ERR),
    "cape_serdio_decode": (c_char_p, c_size_t, _BUF, _ERR),
    "cape_enclave_start": (c_char_p, c_size_t, _HANDLE, _ERR),
    "cape_enclave_info": (c_uint64, _BUF, _ERR),
    "cape_enclave_set_faults": (c_uint64, c_char_p, c_size_t, _ERR),
}

# Without a source it gives bytes that are yet to be written.
_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
_bytes.argtypes = (c_void_p, ctypes.c_ssize_t)
_bytes.restype = ctypes.py_object

#: Milliseconds after which a call that waits looks whether the program was interrupted.
SLICE = 50

# A result that fits is taken by one call. It is made anew for each: a signal handler may invoke.
_Small = c_char * 4096

_T = TypeVar("_T")


def _check(status: int, function: Any, arguments: tuple[Any, ...]) -> int:
    if status:
        err = arguments[-1]
        raise error_for(status, err.reason.decode(), err.message.decode("utf-8", "replace"))
    return status


@functools.cache
def _lib() -> Any:
    """The library, loaded by the first call that needs it.

    :raises LibraryError: it is missing, or is not one for this package.
    """
    from pycape import _library  # what it needs to explain itself is not for every start

    lib, path = _library.load()
    for name, argtypes in SIGNATURES.items():
        try:
            function = getattr(lib, name)
        except AttributeError:
            raise LibraryError(
                f"{path} has no {name}: build it anew, or install a libcape of one version",
                reason="library.version",
            ) from None
        function.argtypes = argtypes
        function.restype = c_int32
        if argtypes[-1] is _ERR:
            function.errcheck = _check
    version = [c_uint32(), c_uint32(), c_uint32()]
    lib.cape_version(*version, _Error())
    if version[0].value != MAJOR:
        raise LibraryError(
            f"{path} is libcape {'.'.join(str(number.value) for number in version)}, "
            f"and this package needs {MAJOR}.x: install both of one version",
            reason="library.version",
        )
    return lib


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

    def invoke(self, data: bytes) -> bytes:
        return _finished(Invoking(self, data))


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


class Operation(Generic[_T]):
    """A connect or an invoke that goes on by itself. At the end of its ``with`` block, or when it
    is forgotten, it is cancelled, unless it has ended and its result was taken."""

    def __init__(self, queue: Queue | None) -> None:
        self._handle = c_uint64()
        self._queue = queue
        self._lib, self._err = _lib(), _Error()

    def wait(self) -> None:
        """Waits until it has ended, in whatever way."""
        while True:
            try:
                self._lib.cape_op_wait(self._handle, SLICE, self._err)
                return
            except CapeTimeoutError as error:
                if error.reason != "timeout.wait":
                    raise

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
        text = _json(options)
        self._lib.cape_connect_start(text, len(text), _handle_of(queue), self._handle, self._err)

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


def _finished(operation: Operation[_T]) -> _T:
    with operation:
        operation.wait()
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
    return _finished(Connecting(options))


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
