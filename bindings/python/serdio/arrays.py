"""numpy's arrays and scalars as a line of text and the bytes of the elements.

numpy is imported by the first array that is decoded, and by nothing else.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from serdio import profile
from serdio.errors import DecodeError

# The types whose bytes mean the same on every machine. Objects are none, and nothing is pickled.
_TYPE = (
    r"\|b1|\|[iu]1|<[iu][248]|<f[248]|<c(?:8|16)|<U[1-9][0-9]{0,8}|\|S[1-9][0-9]{0,8}"
    r"|<[mM]8(?:\[(?:[2-9]|[1-9][0-9]{1,8})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?"
)
_PORTABLE = re.compile(_TYPE)
_HEADER = re.compile(rf"({_TYPE})((?: (?:0|[1-9][0-9]{{0,18}})){{0,32}})\n".encode("ascii"))
_MAX_HEADER = 1024
_MAX_DIMENSIONS = 32

# An array without elements may have dimensions that are not zero, up to what numpy can address.
_MAX_ADDRESS = 2**62

# Text and bytes that stand alone keep the zeros at their end, which an array would lose.
_TEXT, _BYTES = b"U\n", b"S\n"


def encode(value: Any) -> tuple[int, bytes] | None:
    """The code and the payload of an array or scalar of numpy, or None for any other value."""
    numpy = sys.modules.get("numpy")
    generic: Any = getattr(numpy, "generic", None)
    if numpy is None or generic is None:
        return None
    if type(value) is numpy.ndarray:
        return profile.ARRAY, _payload(value)
    if not isinstance(value, generic):
        return None
    if type(value) is numpy.str_:
        return profile.SCALAR, _TEXT + str.encode(value, "utf-8")
    if type(value) is numpy.bytes_:
        return profile.SCALAR, _BYTES + bytes(value)
    return profile.SCALAR, _payload(numpy.asarray(value))


def _payload(array: Any) -> bytes:
    dtype = array.dtype.newbyteorder("<")
    if _PORTABLE.fullmatch(dtype.str) is None:
        raise TypeError(
            f"a numpy array of {array.dtype} has no form that other machines know: convert it"
        )
    if array.ndim > _MAX_DIMENSIONS:
        raise TypeError(f"a numpy array has at most {_MAX_DIMENSIONS} dimensions")
    header = " ".join((dtype.str, *map(str, array.shape)))
    data: bytes = array.astype(dtype, copy=False).tobytes()
    return header.encode("ascii") + b"\n" + data


def decode(code: int, payload: bytes) -> Any:
    """The array or scalar that :func:`encode` made a payload of, with memory of its own."""
    try:
        import numpy
    except ImportError as error:
        raise DecodeError(
            "the data holds an array of numpy, which is not installed", "serdio.type"
        ) from error
    if code == profile.SCALAR:
        if payload.startswith(_TEXT):
            return numpy.str_(payload[len(_TEXT) :].decode("utf-8"))
        if payload.startswith(_BYTES):
            return numpy.bytes_(payload[len(_BYTES) :])
    match = _HEADER.match(payload[:_MAX_HEADER])
    if match is None:
        raise DecodeError("an array does not begin with its type and its shape", "serdio.type")
    dtype = numpy.dtype(match[1].decode("ascii"))
    shape = tuple(map(int, match[2].split()))
    size = addressed = dtype.itemsize
    for dimension in shape:
        size *= dimension
        addressed *= max(dimension, 1)
    if size != len(payload) - match.end() or addressed > _MAX_ADDRESS:
        raise DecodeError("an array has more or fewer bytes than its shape says", "serdio.type")
    if code == profile.SCALAR and shape:
        raise DecodeError("a scalar of numpy has dimensions", "serdio.type")
    if size == 0:
        return numpy.empty(shape, dtype.newbyteorder("="))
    array: Any = numpy.frombuffer(payload, dtype, offset=match.end())
    _check_elements(array)
    array = array.reshape(shape).astype(dtype.newbyteorder("="), copy=True)
    return array[()] if code == profile.SCALAR else array


def _check_elements(array: Any) -> None:
    """Refuses bytes that are no values of their type, which numpy would take on trust."""
    if array.dtype.kind == "b" and array.view("|u1").max() > 1:
        raise DecodeError("a truth value in an array is neither 0 nor 1", "serdio.type")
    if array.dtype.kind == "U" and array.view("<u4").max() > sys.maxunicode:
        raise DecodeError("text in an array holds what is no character", "serdio.type")
