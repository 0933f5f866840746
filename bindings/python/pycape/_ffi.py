"""The native library, by ctypes. No handle, pointer or status leaves this file.

Every function of include/cape.h is in one table. A status other than 0 becomes an exception.
Inputs are lent to the library as they are; an output is copied once, and freed.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import weakref
from ctypes import POINTER, c_char, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Iterator

from pycape.errors import (
    ArgumentError,
    ArgumentTypeError,
    CapeError,
    ClosedError,
    LibraryError,
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


# c_char_p takes bytes without a copy; cape.h has the names of the parameters.
_ERR = POINTER(_Error)
_BUF = POINTER(_Buf)
_HANDLE = POINTER(c_uint64)
_NUMBER = POINTER(c_uint32)
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cape_version": (_NUMBER, _NUMBER, _NUMBER, _ERR),
    "cape_buf_free": (_BUF,),
    "cape_connect": (c_char_p, c_size_t, _HANDLE, _BUF, _ERR),
    "cape_invoke": (c_uint64, c_char_p, c_size_t, _BUF, _ERR),
    "cape_close": (c_uint64, _ERR),
    "cape_verify": (c_char_p, c_size_t, c_char_p, c_size_t, _BUF, _ERR),
    "cape_serdio_encode": (c_char_p, c_size_t, _BUF, _ERR),
    "cape_serdio_decode": (c_char_p, c_size_t, _BUF, _ERR),
    "cape_enclave_start": (c_char_p, c_size_t, _HANDLE, _ERR),
    "cape_enclave_info": (c_uint64, _BUF, _ERR),
    "cape_enclave_set_faults": (c_uint64, c_char_p, c_size_t, _ERR),
}

_copy = ctypes.pythonapi.PyBytes_FromStringAndSize
_copy.argtypes = (c_void_p, ctypes.c_ssize_t)
_copy.restype = ctypes.py_object


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
        return b"" if not buf.len else bytes(_copy(buf.data, buf.len))
    finally:
        _lib().cape_buf_free(buf)


def _close(handle: int) -> None:
    """Runs at the end of an object, of any thread and of the program: it raises nothing. In a
    forked child the handle belongs to the parent, and the library refuses."""
    with contextlib.suppress(CapeError):
        _lib().cape_close(handle, _Error())


class _Object:
    """Something open in the library. Forgetting it closes it. Any thread may use it."""

    what: str

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._finalizer = weakref.finalize(self, _close, handle)

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
        output = _Buf()
        try:
            _lib().cape_invoke(self._open(), data, bytes.__len__(data), output, _Error())
        finally:
            result = _take(output)
        return result


class Enclave(_Object):
    """A local enclave in this process."""

    what = "local enclave"

    def info(self) -> Any:
        info = _Buf()
        try:
            _lib().cape_enclave_info(self._open(), info, _Error())
        finally:
            text = _take(info)
        return json.loads(text)

    def set_faults(self, names: list[str]) -> None:
        faults = _json(names)
        _lib().cape_enclave_set_faults(self._open(), faults, len(faults), _Error())


def connect(options: dict[str, Any]) -> tuple[Connection, dict[str, Any]]:
    """Opens a session; also the report of the verification. An error carries it likewise."""
    text = _json(options)
    lib, handle, report = _lib(), c_uint64(), _Buf()
    with _reported(report), _closed_on_error(handle):
        lib.cape_connect(text, len(text), handle, report, _Error())
        return Connection(handle.value), _parsed(report) or {}


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
