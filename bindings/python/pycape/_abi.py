"""The functions of include/cape.h as ctypes calls them, and the library that has them."""

from __future__ import annotations

import ctypes
import functools
import os
from ctypes import POINTER, c_char, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

from pycape.errors import LibraryError, error_for

#: The version of include/cape.h that the table below was written for.
MAJOR = 1


class Buf(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("len", c_size_t)]


class Error(ctypes.Structure):
    _fields_ = [
        ("size", c_uint32),
        ("code", c_int32),
        ("reason", c_char * 64),
        ("message", c_char * 512),
    ]

    def __init__(self) -> None:
        super().__init__(size=ctypes.sizeof(Error))


class Progress(ctypes.Structure):
    _fields_ = [
        ("size", c_uint32),
        ("finished", c_uint32),
        ("sent", c_uint64),
        ("to_send", c_uint64),
        ("received", c_uint64),
    ]


# c_char_p takes bytes without a copy; cape.h has the names of the parameters.
_ERR = POINTER(Error)
_BUF = POINTER(Buf)
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
    "cape_op_wait": (c_uint64, c_uint32, _ERR),
    "cape_op_result": (c_uint64, _HANDLE, c_char_p, c_size_t, _LENGTH, _ERR),
    "cape_request_start": (c_char_p, c_size_t, c_char_p, c_size_t, c_uint64, _HANDLE, _ERR),
    "cape_encrypt": (c_char_p, c_size_t, c_char_p, c_size_t, _BUF, _ERR),
    "cape_op_progress": (c_uint64, POINTER(Progress), _ERR),
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


def _check(status: int, function: Any, arguments: tuple[Any, ...]) -> int:
    if status:
        err = arguments[-1]
        del arguments  # a traceback may show variables, and one of these is the token
        raise error_for(status, err.reason.decode(), err.message.decode("utf-8", "replace"))
    return status


@functools.cache
def library() -> Any:
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
    lib.cape_version(*version, Error())
    if version[0].value != MAJOR:
        raise LibraryError(
            f"{path} is libcape {'.'.join(str(number.value) for number in version)}, "
            f"and this package needs {MAJOR}.x: install both of one version",
            reason="library.version",
        )
    return lib


def load_library(path: str | os.PathLike[str]) -> None:
    """Loads the native library from here, before anything else in the process needs it, and looks
    nowhere else. Without this it is the one that CAPE_LIBRARY names, else the one inside the
    package, else the one in the build folder of a source checkout.

    :raises LibraryError: it cannot be loaded, and the text says why; or one is loaded already.
    """
    from pycape import _library

    _library.load_library(path)
